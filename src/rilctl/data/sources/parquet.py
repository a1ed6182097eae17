"""Parquet files. `datasets` copies them into its cache once, memory-mapped, so that rows can be read in any order."""

import glob
from pathlib import Path

from rilctl.config.data import ParquetData
from rilctl.data.sources.arrow import read_arrow
from rilctl.data.sources.base import Table, absolute, check_columns, existing
from rilctl.errors import DataError


def open_parquet(config: ParquetData, base_dir: Path) -> Table:
    """The rows of one file, a folder's `*.parquet`, or a glob's matches, sorted by path.

    Raises:
        DataError: no such file, not Parquet, or a column that is missing.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = _find(config.path, base_dir)
    for path in paths:
        try:
            check_columns(config.columns, pq.read_schema(path).names, str(path))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: not a Parquet file: {error}", hint="it may be half-written or truncated"
            ) from error
    try:
        dataset = datasets.load_dataset("parquet", data_files=[str(path) for path in paths], split="train")
    except (datasets.exceptions.DatasetGenerationError, pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{config.path}: can't be read: {error.__cause__ or error}", hint="all files must have the same columns"
        ) from error
    name = f"parquet:{config.path}"
    return Table(name, read_arrow(dataset, config.columns, name), config.columns, (paths[0].parent,))


def _find(path: str, base_dir: Path) -> list[Path]:
    pattern = absolute(path, base_dir)
    if pattern.is_dir():
        pattern = pattern / "*.parquet"
    elif not glob.has_magic(path):
        return [existing(path, base_dir)]
    paths = sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))
    if not paths:
        raise DataError(f"no Parquet file at {pattern}", hint="a relative path starts from the current directory")
    return paths
