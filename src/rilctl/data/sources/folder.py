"""A folder of images with a CSV."""

import csv
from collections.abc import Iterator
from pathlib import Path

from rilctl.config.data import FolderData
from rilctl.data.sources.base import RawRow, Table, check_columns, existing
from rilctl.data.sources.lines import reading
from rilctl.errors import DataError, RowError

IMAGE_DIVIDER = ";"


def open_folder(config: FolderData, base_dir: Path) -> Table:
    """The rows of the CSV; image paths start from the folder. Raises `DataError`."""
    folder = existing(config.path, base_dir, folder=True)
    path = existing(config.table, folder)
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            header = csv.DictReader(file).fieldnames or ()
        except csv.Error as error:
            raise DataError(f"{path}: not a CSV: {error}", hint="save it as UTF-8 with a header line") from error
    check_columns(config.columns, header, str(path))
    return Table(f"folder:{config.path}", _read_csv(path, config.columns.images), config.columns, (folder,))


def _read_csv(path: Path, images_column: str) -> Iterator[RawRow]:
    with reading(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
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
                fields[images_column] = [part.strip() for part in cell.split(IMAGE_DIVIDER) if part.strip()]
            yield RawRow(name, fields)
