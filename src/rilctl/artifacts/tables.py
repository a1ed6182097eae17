"""Rows on disk: Parquet shards whose columns are derived from a row's pydantic model.

The Arrow schema comes from the model and never from the data, so an empty table or a column of nulls has the same
types as a full one.
"""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from rilctl.artifacts.layout import REBUILD_HINT, naming, open_regular
from rilctl.errors import ArtifactError
from rilctl.private.parquet import refuse_bomb
from rilctl.schemas.base import StrictModel

if TYPE_CHECKING:
    import pyarrow as pa

Row = TypeVar("Row", bound=StrictModel)

ROWS_PER_GROUP: Final = 1024
"""Rows that are held in memory at once, writing and reading."""
ROWS_PER_SHARD: Final = 65_536
"""Rows of one Parquet file."""


def arrow_schema(row_type: type[StrictModel]) -> "pa.Schema":
    """The Arrow schema of a row model: its columns hold what `_arrow_type` knows, each optional or not.

    Raises:
        TypeError: the model has a field of another type.
    """
    import pyarrow as pa

    fields = []
    for name, info in row_type.model_fields.items():
        inner, nullable = _split_optional(info.annotation)
        fields.append(pa.field(name, _arrow_type(inner), nullable=nullable))
    return pa.schema(fields)


def shard_name(index: int, total: int) -> str:
    """`rows-00000-of-00003.parquet`; `index` counts from 0."""
    return f"rows-{index:05d}-of-{total:05d}.parquet"


def is_shard(name: str) -> bool:
    """Whether a file of an artifact is a shard of its table."""
    return name.startswith("rows-") and name.endswith(".parquet") and "/" not in name


class ShardWriter:
    """Writes rows into numbered Parquet files, in the order in which they come, holding `ROWS_PER_GROUP` of them.

    Args:
        folder: where `rows-00000.parquet` and so on are written.
        row_type: the model of the rows.
    """

    def __init__(self, folder: Path, row_type: type[StrictModel]) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._schema = arrow_schema(row_type)
        self._buffer: list[dict[str, Any]] = []
        self._writer: Any = None  # pyarrow.parquet has no type hints
        self._rows_in_shard = 0

    def add(self, record: StrictModel) -> None:
        """Write one row, sooner or later."""
        self._buffer.append(record.model_dump())
        if len(self._buffer) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left; without any row, one shard with no rows."""
        if self._buffer or not self.paths:
            self._flush()
        self._close_shard()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self.paths.append(self._folder / f"rows-{len(self.paths):05d}.parquet")
            self._writer = pq.ParquetWriter(self.paths[-1], self._schema, compression="zstd")
        with naming(self.paths[-1]):
            self._writer.write_table(pa.Table.from_pylist(self._buffer, schema=self._schema))
        self._rows_in_shard += len(self._buffer)
        self._buffer.clear()
        if self._rows_in_shard >= ROWS_PER_SHARD:
            self._close_shard()

    def _close_shard(self) -> None:
        if self._writer is not None:
            with naming(self.paths[-1]):
                self._writer.close()
            self._writer, self._rows_in_shard = None, 0


def read_shard(path: Path, row_type: type[Row]) -> Iterator[Row]:
    """The rows of one shard, in order, `ROWS_PER_GROUP` in memory at once.

    Raises:
        ArtifactError: the file is no Parquet, or a row doesn't fit the model; the message names row and columns.
    """
    import pyarrow as pa

    number = 0
    try:
        with _open(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
                for values in batch.to_pylist(maps_as_pydicts="strict"):
                    number += 1
                    yield row_type.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise ArtifactError(f"`{path}`, row {number}: {problems}", hint=REBUILD_HINT) from error
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise no_parquet(path, error) from error


def read_shard_table(path: Path) -> "pa.Table":
    """All rows of one shard at once. Raises `ArtifactError` where the file is no Parquet."""
    import pyarrow as pa

    try:
        with _open(path) as file:
            return file.read()
    except (pa.ArrowException, OSError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise no_parquet(path, error) from error


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """A shard; see `opened`. Raises what that does, and `OSError`."""
    with open_regular(path) as file, opened(file) as shard:
        yield shard


def opened(file: BinaryIO) -> Any:
    """A shard, once it is known that it doesn't fill the memory. Raises what pyarrow does, `OSError`, `ValueError`."""
    import pyarrow.parquet as pq

    refuse_bomb(file)
    file.seek(0)
    return pq.ParquetFile(file)


def count_tokens(record: StrictModel) -> int | None:
    """Length of the row's `token_ids`; None where it has none."""
    token_ids = getattr(record, "token_ids", None)
    return None if token_ids is None else len(token_ids)


def no_parquet(path: Path, error: Exception) -> ArtifactError:
    """What to raise where a shard can't be read."""
    first_line = str(error).partition("\n")[0]
    return ArtifactError(f"`{path}` can't be read as Parquet: {first_line}", hint=REBUILD_HINT)


def _split_optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        arguments = get_args(annotation)
        inner = [a for a in arguments if a is not type(None)]
        if len(inner) == 1:
            return inner[0], len(arguments) == 2
    return annotation, False


def _arrow_type(annotation: Any) -> "pa.DataType":
    """Of str, int, float, bool, literals of str, models and lists of these, and dicts from str to these."""
    import pyarrow as pa

    if get_origin(annotation) is Literal and all(isinstance(value, str) for value in get_args(annotation)):
        return pa.string()
    if get_origin(annotation) is list:
        inner, nullable = _split_optional(get_args(annotation)[0])
        return pa.list_(pa.field("element", _arrow_type(inner), nullable=nullable))
    if get_origin(annotation) is dict and get_args(annotation)[0] is str:
        inner, nullable = _split_optional(get_args(annotation)[1])
        return pa.map_(pa.string(), pa.field("value", _arrow_type(inner), nullable=nullable))
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return pa.struct(list(arrow_schema(annotation)))
    plain = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if annotation not in plain:
        raise TypeError(f"a row can't hold a column of type {annotation}")
    return plain[annotation]
