"""Rows of the memory-mapped Arrow tables of `datasets`: texts are read at once, images when they are needed."""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rilctl.config.data import ColumnsConfig
from rilctl.data.drawing import Drawn
from rilctl.data.images import decode_inline, is_inline
from rilctl.data.sources.base import RawRow, check_columns
from rilctl.data.videos import VIDEO_KEYS
from rilctl.errors import DataError

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_ROWS_PER_BATCH = 1000


def read_arrow(
    dataset: "datasets.Dataset",
    columns: ColumnsConfig,
    name: str,
    also: Collection[str] = (),
    drawn: Drawn | None = None,
) -> Iterator[RawRow]:
    """The mapped columns of a data set; an image is a function that reads its row's cell.

    Args:
        dataset: memory-mapped.
        columns: which columns are read.
        name: of the data set, for messages.
        also: further columns that are read where they are there.
        drawn: which rows are read; None: all.

    Raises:
        DataError: a column is missing, or the images' column holds something else.
    """
    check_columns(columns, dataset.column_names, name)
    wanted = {columns.id, columns.images, columns.question, columns.answer, columns.response, columns.choices, *also}
    wanted |= {columns.messages, *VIDEO_KEYS}
    view = dataset.select_columns([column for column in dataset.column_names if column in wanted]).with_format("arrow")
    if drawn is not None:
        view = view.select(drawn.numbers)
    names = [f"row {number}" for number in drawn.numbers] if drawn is not None else None
    start = 0
    for batch in view.iter(batch_size=_ROWS_PER_BATCH):
        texts = [column for column in batch.column_names if column not in (columns.images, *VIDEO_KEYS)]
        meant = [_meant(batch.column(text), dataset.features[text]) for text in texts]
        values = zip(*meant, strict=True) if texts else [()] * len(batch)
        rows: list[dict[str, Any]] = [dict(zip(texts, cells, strict=True)) for cells in values]
        if columns.images:
            cells = _image_cells(batch.column(columns.images), view, columns.images, start, name)
            for fields, cell in zip(rows, cells, strict=True):
                fields[columns.images] = cell
        for key in set(VIDEO_KEYS) & set(batch.column_names):
            for fields, there in zip(rows, _is_given(batch.column(key)), strict=True):
                fields[key] = there or None
        named = names[start : start + len(rows)] if names else [f"row {start + place}" for place in range(len(rows))]
        yield from map(RawRow, named, rows)
        start += len(rows)


def _is_given(column: "pa.ChunkedArray") -> list[bool]:
    """Whether each cell holds anything; the videos in them aren't read."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return [bool(length) for length in pc.list_value_length(column).to_pylist()]
    return [bool(there) for there in column.is_valid().to_pylist()]


def _meant(column: "pa.ChunkedArray", feature: object) -> list[Any]:
    """A column's values as a person means them: a class by its name, and 0.1 of 32 bits as 0.1."""
    import datasets
    import pyarrow as pa

    values, kind = _values(column), column.type
    if isinstance(feature, datasets.List | datasets.LargeList):
        feature = feature.feature
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if isinstance(feature, datasets.ClassLabel):
        return [_each(value, partial(_class_name, feature)) for value in values]
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        narrow = np.float32 if pa.types.is_float32(kind) else np.float16
        return [_each(value, lambda number: float(str(narrow(number)))) for value in values]
    return values


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_each(item, function) for item in value]
    return None if value is None else function(value)


def _class_name(feature: "datasets.ClassLabel", number: int) -> str | None:
    """None for -1, which says that nobody knows."""
    return None if number < 0 else feature.int2str(number)


def _values(column: "pa.ChunkedArray") -> list[Any]:
    """As Python has them; a text that isn't UTF-8 as bytes, which rejects its row and no other."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else b""


def _image_cells(
    column: "pa.ChunkedArray", view: "datasets.Dataset", column_name: str, start: int, name: str
) -> list[list[object]]:
    """For each row of a batch its images: paths as they are, bytes as functions that fetch them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    items = pc.list_flatten(column) if is_list else column
    paths: list[Any] = [None] * len(items)
    if pa.types.is_struct(items.type) and "bytes" in items.type.names:
        holds_bytes = pc.is_valid(pc.struct_field(items, "bytes")).to_pylist()
        if "path" in items.type.names:
            paths = _values(pc.struct_field(items, "path"))
    elif pa.types.is_binary(items.type) or pa.types.is_large_binary(items.type):
        holds_bytes = pc.is_valid(items).to_pylist()
    elif pa.types.is_string(items.type) or pa.types.is_large_string(items.type) or pa.types.is_null(items.type):
        holds_bytes, paths = [False] * len(items), _values(items)
    else:
        raise DataError(
            f"{name}: column `{column_name}` holds {kind}, not images",
            hint="set data.columns.images to a column of images, paths or bytes, or to nothing for text only",
        )
    flat = iter(zip(holds_bytes, paths, strict=True))
    counts = pc.list_value_length(column).to_pylist() if is_list else [1] * len(column)
    return [
        [
            partial(_read_cell, view, column_name, start + place, index) if has_bytes or is_inline(path) else path
            for index, (has_bytes, path) in enumerate(islice(flat, count or 0))
        ]
        for place, count in enumerate(counts)
    ]


def _read_cell(view: "datasets.Dataset", column: str, row: int, index: int) -> bytes:
    value = view.select_columns([column])[row].column(column)[0].as_py()
    cell = value[index] if isinstance(value, list) else value
    if isinstance(cell, dict):
        cell = cell["path"] if cell["bytes"] is None else cell["bytes"]
    return decode_inline(cell, f"row {row}") if isinstance(cell, str) else cell
