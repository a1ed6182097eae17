"""What a Parquet file becomes in memory is known from its pages, and what is honest is read."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rilctl.private.parquet import refuse_bomb


def written(table: pa.Table, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    file.seek(0)
    return file


def repeated(text: str, count: int) -> pa.Table:
    ids = pa.array([0] * count, pa.int32())
    return pa.table({"text": pa.DictionaryArray.from_arrays(ids, pa.array([text]))})


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_honest_files_are_read(compression: str, version: str, use_dictionary: bool) -> None:
    rows = [
        {"a": f"text {n}" * 9, "b": [n, None], "c": {"d": n / 3, "e": [{"f": "x"}]}, "g": n > 5} for n in range(3000)
    ]
    options = {"compression": compression, "data_page_version": version, "use_dictionary": use_dictionary}
    for table in (pa.Table.from_pylist(rows), repeated("the same question " * 50, 100_000)):
        file = written(table, store_schema=False, **options)
        refuse_bomb(file)
        file.seek(0)
        assert pq.read_table(file).num_rows == table.num_rows
    refuse_bomb(written(pa.table({"a": pa.array([], pa.string())}), **options))


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_other_encodings(encoding: str) -> None:
    table = pa.table({"a": [f"prefix {n}" for n in range(2000)]})
    refuse_bomb(written(table, use_dictionary=False, column_encoding={"a": encoding}))


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_a_text_that_stands_there_once_and_is_read_a_thousand_times(compression: str) -> None:
    file = written(repeated("x" * 1_000_000, 1000), store_schema=False, compression=compression)
    with pytest.raises(ValueError, match=r"row group 0 would become 1,0\d\d,"):
        refuse_bomb(file)


def test_numbers_that_stand_there_once() -> None:
    ids = pa.array([0], pa.int64()).take(pa.array([0] * 20_000_000, pa.int32()))
    file = written(pa.table({"ids": pa.ListArray.from_arrays(pa.array([0, len(ids)], pa.int32()), ids)}))
    assert len(file.getvalue()) < 100_000
    with pytest.raises(ValueError, match="would become"):
        refuse_bomb(file)
