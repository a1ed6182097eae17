"""Rows that are read where they are asked for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rilctl.artifacts import tables
from rilctl.artifacts.read import open_rows, read_rows
from rilctl.artifacts.row_files import RowFiles
from rilctl.errors import ArtifactError
from rilctl.schemas.records import ResponseRecord, VerdictRecord


@pytest.fixture
def cut(start, make_rows, monkeypatch) -> Path:
    """23 rows in three shards of up to two row groups."""
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(tables, "ROWS_PER_SHARD", 8)
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(23))
        writer.commit()
    assert len(list(run.path.glob("rows-*.parquet"))) == 3
    return run.path


def test_they_are_those_that_are_read_in_order(cut: Path) -> None:
    rows, files = list(read_rows(cut, ResponseRecord)), open_rows(cut, ResponseRecord)
    assert files.num_rows == 23
    found = [text for table in files.scan(["text", "sample_id"]) for text in table.column("text").to_pylist()]
    assert found == [row.text for row in rows]
    numbers = [22, 0, 7, 8, 7, 3, 16]
    assert files.take("sample_id", numbers) == [rows[number].sample_id for number in numbers]
    assert files.take("context", [1]) == [None] and files.take("text", []) == []


def test_a_changed_file_of_another_kind_or_count_is_refused(cut: Path, edit_manifest) -> None:
    with pytest.raises(ArtifactError, match="no rows of type VerdictRecord"):
        open_rows(cut, VerdictRecord)
    edit_manifest(cut, num_rows=22)
    with pytest.raises(ArtifactError, match="says 22 rows, and there are 23"):
        open_rows(cut, ResponseRecord)
    edit_manifest(cut, num_rows=23)
    shard = next(cut.glob("rows-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="was changed since it was written"):
        open_rows(cut, ResponseRecord)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": [1]}, "column `text` isn't string"),
        ({"text": pa.array([None], pa.string())}, "column `text` isn't string everywhere"),
        ({"source": ["qwen"]}, "no column `text`"),
    ],
)
def test_a_column_is_what_the_model_says(tmp_path: Path, columns, message: str) -> None:
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    files = RowFiles([tmp_path / "rows.parquet"], ResponseRecord)
    with pytest.raises(ArtifactError, match=message):
        list(files.scan(["text"]))


def test_what_may_be_absent_is_absent(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["four"]}), tmp_path / "rows.parquet")
    files = RowFiles([tmp_path / "rows.parquet"], ResponseRecord)
    assert files.take("context", [0]) == [None]
