"""JSON that `datasets` would crash on is refused by name; brackets in texts are no levels."""

import json
from pathlib import Path

import pytest

from rilctl.engines.evaluation.data_files import refuse_deep
from rilctl.errors import DataError


@pytest.mark.parametrize("nest", [("[", "]"), ('{"a":', "}")])
def test_values_without_end(tmp_path: Path, nest: tuple[str, str]) -> None:
    opening, closing = nest
    (tmp_path / "rows.json").write_text('{"q": "4"}\n' + opening * 20_000 + "1" + closing * 20_000)
    with pytest.raises(DataError, match=r"rows\.json: values are nested in more than 1,000 levels"):
        refuse_deep(tmp_path, {"test": ["rows.json"]})


def test_brackets_in_texts_and_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([{"q": '[{"' * 2000 + "\\"}] * 3))
    (tmp_path / "empty.json").write_bytes(b"")
    refuse_deep(tmp_path, ["rows.json", "empty.json", "none.json", "https://elsewhere/rows.json", None])
