"""A folder of images with a CSV."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from rilctl.config.data import ColumnsConfig, FolderData
from rilctl.data.images import is_inline
from rilctl.data.sources.base import RawRow, Table, check_columns, existing
from rilctl.data.sources.lines import reading
from rilctl.errors import DataError, RowError

IMAGE_DIVIDER = ";"
_DELIMITERS = (",", ";", "\t")
"""Spreadsheets write the second where the comma is a decimal sign."""


def open_folder(config: FolderData, base_dir: Path) -> Table:
    """The rows of the CSV; image paths start from the folder. Raises `DataError`."""
    folder = existing(config.path, base_dir, folder=True)
    path = existing(config.table, folder)
    delimiter, header = _read_header(path, config.columns)
    check_columns(config.columns, header, str(path))
    return Table(f"folder:{config.path}", _read_csv(path, delimiter, config.columns.images), config.columns, (folder,))


def _read_header(path: Path, columns: ColumnsConfig) -> tuple[str, Sequence[str]]:
    """What divides the cells, and the columns' names. Raises `DataError`."""
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            headers = {}
            for delimiter in _DELIMITERS:
                file.seek(0)
                headers[delimiter] = csv.DictReader(file, delimiter=delimiter).fieldnames or ()
        except csv.Error as error:
            raise DataError(f"{path}: not a CSV: {error}", hint="save it as UTF-8 with a header line") from error
    delimiter = next((each for each, header in headers.items() if columns.question in header), _DELIMITERS[0])
    names = list(headers[delimiter])
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{path}: two columns are called `{repeated}`", hint="give each column a name of its own")
    return delimiter, names


def _read_csv(path: Path, delimiter: str, images_column: str) -> Iterator[RawRow]:
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RawRow(f"{path.name}:{reader.line_num}", RowError("csv-invalid", f"{path.name}: {error}"))
                continue
            name = f"{path.name}:{reader.line_num}"
            if None in record:  # what DictReader calls cells beyond the header
                yield RawRow(name, RowError("csv-invalid", f"{name}: more cells than the header has"))
                continue
            fields: dict[str, object] = dict(record)
            if isinstance(cell := fields.get(images_column), str):
                parts = [cell] if is_inline(cell) else cell.split(IMAGE_DIVIDER)
                fields[images_column] = [part.strip() for part in parts if part.strip()]
            yield RawRow(name, fields)
