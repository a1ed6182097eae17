"""Rows of an artifact that are read where they are asked for, a row group at a time: they needn't fit the memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

from rilctl.artifacts.layout import REBUILD_HINT, open_regular
from rilctl.artifacts.tables import arrow_schema, no_parquet, opened
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel

if TYPE_CHECKING:
    import pyarrow as pa

_GROUPS_KEPT: Final = 64
"""Row groups of one column that are kept decoded, about a megabyte of texts each."""


class RowFiles:
    """Shards that stay open: a file that takes the place of one later isn't read.

    Args:
        paths: the shards in order, verified.
        row_type: the model of their rows; what it says of a column holds for what is read of it.

    Raises:
        ArtifactError: one is no Parquet.
    """

    def __init__(self, paths: Sequence[Path], row_type: type[StrictModel]) -> None:
        import numpy as np

        self._schema = arrow_schema(row_type)
        self._shards: list[tuple[Path, Any]] = []
        self._groups: list[tuple[int, int]] = []
        sizes = [0]
        for path in paths:
            with _naming(path):
                source = open_regular(path)
                finalize(self, source.close)
                file = opened(source)
            self._shards.append((path, file))
            for group in range(file.num_row_groups):
                self._groups.append((len(self._shards) - 1, group))
                sizes.append(file.metadata.row_group(group).num_rows)
        self._ends = np.cumsum(sizes)
        self._values = lru_cache(_GROUPS_KEPT)(lambda group, column: self._read(group, [column]).column(0))

    @property
    def num_rows(self) -> int:
        """Of all shards."""
        return int(self._ends[-1])

    def scan(self, columns: Sequence[str]) -> Iterator["pa.Table"]:
        """Some columns of all rows in order, a row group at a time.

        Raises:
            ArtifactError: a column isn't what the model says, or can't be read.
        """
        for group in range(len(self._groups)):
            yield self._read(group, columns)

    def take(self, column: str, numbers: Sequence[int]) -> list[Any]:
        """A column's values in rows that are counted from 0 over all shards. Raises `ArtifactError` as `scan`."""
        import numpy as np

        groups = np.searchsorted(self._ends, numbers, side="right") - 1
        found: list[Any] = [None] * len(numbers)
        for at in np.argsort(groups, kind="stable"):
            group = int(groups[at])
            values = self._values(group, column)
            with _naming(self._shards[self._groups[group][0]][0]):
                found[at] = values[int(numbers[at] - self._ends[group])].as_py()
        return found

    def _read(self, group: int, columns: Sequence[str]) -> "pa.Table":
        shard, number = self._groups[group]
        path, file = self._shards[shard]
        with _naming(path):
            table = file.read_row_group(number, columns=list(columns), use_threads=False)
            for name in columns:
                field = self._schema.field(name)
                if name not in table.column_names:
                    if not field.nullable:
                        raise ValueError(f"it has no column `{name}`")
                    import pyarrow as pa

                    table = table.append_column(field, pa.nulls(len(table), field.type))
                found = table.column(name)
                if found.type != field.type or (found.null_count and not field.nullable):
                    raise ValueError(f"its column `{name}` isn't {field.type}{'' if field.nullable else ' everywhere'}")
            return table.select(list(columns))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise no_parquet(path, error) from error


def refuse_value(path: Path, column: str, value: object, known: Sequence[str]) -> ArtifactError:
    """What to raise where a column of an artifact holds what its model doesn't allow."""
    return ArtifactError(f"`{path}`: `{column}` is {value!r}, not one of {', '.join(known)}", hint=REBUILD_HINT)
