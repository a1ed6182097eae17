"""Small real data sets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.config.data import DataConfig

from .helpers import png, table, write_lines


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with `0.png` to `19.png`, all different."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.png").write_bytes(png(f"rgb({number * 12}, 0, 0)"))
    return folder


@pytest.fixture
def jsonl(pictures: Path) -> Callable[..., DataConfig]:
    """Makes a JSON Lines table of 20 good rows, with changes by row number, and a config for it."""

    def make(changes: dict[int, dict[str, object]] | None = None, **fields: object) -> DataConfig:
        rows = [
            {"id": f"q{n}", "images": f"{n}.png", "question": f"what is {n}?", "answer": n} | (changes or {}).get(n, {})
            for n in range(20)
        ]
        return table(type="jsonl", path=str(write_lines(pictures / "rows.jsonl", rows)), **fields)

    return make
