"""Is the data of a suite there? Asked before anything runs: a benchmark that fails after hours helps nobody."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rilctl.config.suite import DataNeed

_AT_ONCE: Final = 16
_LFS_POINTER: Final = b"version https://git-lfs"


def missing_data(needs: Iterable[DataNeed], data_dir: Path | None) -> list[str]:
    """What can't be read, one line each with the reason.

    Args:
        needs: what has to be there.
        data_dir: a mirror, `<data_dir>/<owner>/<name>`; None: the hub, or its local cache.
    """
    from datasets.utils import tqdm

    needs = list(needs)
    tqdm.get_lock()  # else each thread makes the lock of all bars for itself, and deletes it under the others
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # a hub that can't be reached takes half a minute to say so
        reasons = pool.map(lambda need: _reason(need, data_dir), needs)
    return [f"{_named(need)}: {reason}" for need, reason in zip(needs, reasons, strict=True) if reason is not None]


def _named(need: DataNeed) -> str:
    config = f" {need.config}" if need.config else ""
    return f"{need.repository}{config} ({need.split})"


def _reason(need: DataNeed, data_dir: Path | None) -> str | None:
    from datasets import load_dataset_builder

    folder = data_dir / need.repository if data_dir is not None else None
    if folder is not None and not folder.is_dir():
        return f"no folder `{folder}`"
    try:
        if folder is not None:
            builder = load_dataset_builder(str(folder), need.config)
        else:
            builder = load_dataset_builder(need.repository, need.config, revision=need.revision)
    except Exception as error:  # the library raises anything between OSError and errors of its HTTP client
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    files = _files(builder, need.split)
    if files is None:
        return f"it has no split `{need.split}`"
    pointers = [file for file in files if _is_pointer(Path(file))]
    return f"`{pointers[0]}` is a Git LFS pointer, not the file" if pointers else None


def _files(builder: Any, split: str) -> list[str] | None:
    """The split's files, none where they are in the library's cache already; None without such a split."""
    by_split = builder.config.data_files
    if by_split is None:
        return [] if split in (builder.info.splits or ()) else None
    return [str(file) for file in by_split[split]] if split in by_split else None


def _is_pointer(file: Path) -> bool:
    if not file.is_file():  # on the hub
        return False
    with file.open("rb") as opened:
        return opened.read(len(_LFS_POINTER)) == _LFS_POINTER
