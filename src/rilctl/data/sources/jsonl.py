"""JSON Lines, or one JSON list of objects."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rilctl.config.data import JsonlData
from rilctl.data.images import as_cells, decode_inline, is_inline, unwrapped
from rilctl.data.sources.base import RawRow, Table, absolute, existing
from rilctl.data.sources.lines import Line, open_objects, read_list_or_lines
from rilctl.errors import RowError


def open_jsonl(config: JsonlData, base_dir: Path, most_rows: int | None = None) -> Table:
    """The rows of a JSON Lines file, or of a JSON list. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    objects = open_objects(path, most_rows)
    rows = _to_rows(objects.lines, config.columns.images)
    return Table(f"jsonl:{config.path}", rows, config.columns, (root,), drawn=objects.drawn)


def read_jsonl(path: Path, images_column: str) -> Iterator[RawRow]:
    """Rows whose inline images (base64 or data URLs) are fetched from the file again when they are needed."""
    return _to_rows(read_list_or_lines(path), images_column)


def _to_rows(lines: Iterable[Line], images_column: str) -> Iterator[RawRow]:
    for line in lines:
        fields = line.value
        if not isinstance(fields, RowError) and images_column in fields:
            cells = [unwrapped(cell) for cell in as_cells(fields[images_column])]
            cells = [
                partial(_inline_image, line.fetch, line.name, images_column, index) if is_inline(cell) else cell
                for index, cell in enumerate(cells)
            ]
            fields = {**fields, images_column: cells}
        yield RawRow(line.name, fields)


def _inline_image(fetch: Callable[[], Mapping[str, object]], name: str, column: str, index: int) -> bytes:
    return decode_inline(str(unwrapped(as_cells(fetch()[column])[index])), name)
