"""Parquet files. `datasets` copies them into its cache once, memory-mapped, so that rows can be read in any order."""

import glob
from pathlib import Path

from rilctl.config.data import ParquetData
from rilctl.data.drawing import draw
from rilctl.data.folders import refuse_full_cache
from rilctl.data.sources.arrow import read_arrow
from rilctl.data.sources.base import Table, absolute, check_columns, existing
from rilctl.data.template import names_in
from rilctl.errors import DataError
from rilctl.private.parquet import refuse_bomb


def open_parquet(config: ParquetData, base_dir: Path, most_rows: int | None = None) -> Table:
    """The rows of one file, a folder's `*.parquet`, or a glob's matches, sorted by path.

    Raises:
        DataError: no such file, not Parquet, or a column that is missing.
    """
    import datasets
    import pyarrow as pa

    paths = find_parquet(config.path, base_dir)
    filled = [path for path in paths if _num_rows(path, config) > 0]
    if not filled:
        raise DataError(f"{paths[0] if len(paths) == 1 else config.path}: no rows", hint="was it written to its end?")
    try:
        files = [glob.escape(str(path)) for path in filled]  # `datasets` takes each for a pattern
        dataset = datasets.load_dataset("parquet", data_files=files, split="train")
    except (datasets.exceptions.DatasetGenerationError, pa.ArrowException, OSError, ValueError) as error:
        refuse_full_cache(error)
        raise DataError(
            f"{config.path}: can't be read: {error.__cause__ or error}", hint="all files must have the same columns"
        ) from error
    name = f"parquet:{config.path}"
    drawn = draw(dataset.num_rows, most_rows)
    rows = read_arrow(dataset, config.columns, name, names_in(config.template), drawn)
    return Table(name, rows, config.columns, (paths[0].parent,), drawn=drawn)


def _num_rows(path: Path, config: ParquetData) -> int:
    """Rows of a file that has the columns. Raises `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(path)
        names = found.schema.to_arrow_schema().names
        with path.open("rb") as file:
            refuse_bomb(file)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        hint = "it may be half-written or truncated" if path.stat().st_size else "it is empty"
        if path.suffix in (".jsonl", ".json"):
            hint = "is it JSON Lines? data.type says how a file is read: `jsonl`"
        raise DataError(f"{path}: not a Parquet file: {error}", hint=hint) from error
    check_columns(config.columns, names, str(path))
    return int(found.num_rows)


def find_parquet(path: str, base_dir: Path) -> list[Path]:
    """The files of a `[data]` table. Raises `DataError` where there are none."""
    pattern = absolute(path, base_dir)
    if pattern.is_dir():
        paths = sorted(pattern.glob("*.parquet"))
    elif pattern.exists() or not glob.has_magic(path):
        return [existing(path, base_dir)]
    else:
        paths = sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))
    if not paths:
        where = f"in {pattern}" if pattern.is_dir() else f"at {pattern}"
        raise DataError(f"no Parquet file {where}", hint="a relative path starts from the current directory")
    return paths
