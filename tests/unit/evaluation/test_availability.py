from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from rilctl.config.suite import DataNeed
from rilctl.engines.evaluation.availability import missing_data

CARD = "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: dev\n    path: en/dev.parquet\n---\n"


def test_what_a_mirror_lacks_is_told_before_anything_runs(tmp_path: Path) -> None:
    folder = tmp_path / "owner" / "name"
    (folder / "en").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    parquet.write_table(pa.table({"question": ["?"]}), folder / "en" / "dev.parquet")
    there = DataNeed("owner/name", "en", "dev", "main")
    assert missing_data([there], tmp_path) == []
    lacking = [
        DataNeed("owner/name", "en", "test", "main"),
        DataNeed("owner/name", "cn", "dev", "main"),
        DataNeed("owner/other", None, "test", "main"),
    ]
    split, config, repository = missing_data(lacking, tmp_path)
    assert split == "owner/name en (test): it has no split `test`"
    assert config.startswith("owner/name cn (dev): ") and "'cn'" in config
    assert repository == f"owner/other (test): no folder `{tmp_path / 'owner' / 'other'}`"


def test_a_pointer_is_not_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "owner" / "name"
    (folder / "en").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "en" / "dev.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    (line,) = missing_data([DataNeed("owner/name", "en", "dev", "main")], tmp_path)
    assert line.endswith("is a Git LFS pointer, not the file")
