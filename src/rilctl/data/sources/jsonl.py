"""JSON Lines."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rilctl.config.data import JsonlData
from rilctl.data.images import as_cells, decode_data_url, is_data_url
from rilctl.data.sources.base import RawRow, Table, absolute, existing
from rilctl.data.sources.lines import read_lines
from rilctl.errors import RowError


def open_jsonl(config: JsonlData, base_dir: Path) -> Table:
    """The rows of a JSON Lines file. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    return Table(f"jsonl:{config.path}", read_jsonl(path, config.columns.images), config.columns, (root,))


def read_jsonl(path: Path, images_column: str) -> Iterator[RawRow]:
    """Rows whose inline images (data URLs) are fetched from the file again when they are needed."""
    for line in read_lines(path):
        fields = line.value
        if not isinstance(fields, RowError) and images_column in fields:
            cells = [
                partial(_inline_image, line.fetch, line.name, images_column, index) if is_data_url(cell) else cell
                for index, cell in enumerate(as_cells(fields[images_column]))
            ]
            fields = {**fields, images_column: cells}
        yield RawRow(line.name, fields)


def _inline_image(fetch: Callable[[], Mapping[str, object]], name: str, column: str, index: int) -> bytes:
    return decode_data_url(str(as_cells(fetch()[column])[index]), name)
