"""What `datasets` keeps in its cache: copies of local folders and files."""

import errno
import hashlib
import os
from pathlib import Path

from rilctl.errors import DataError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder_cache(folder: Path) -> str:
    """A cache directory for this folder as its files are now.

    In its own cache, `datasets` knows a folder with a card by the folder's last name and the card: another folder of
    that name, or new files under the same card, would give the old rows.

    Args:
        folder: with the data set's files; hidden ones don't count.
    """
    import datasets

    digest = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape"))
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            file = Path(path, name)
            if not file.exists():  # a link that leads nowhere
                continue
            found = file.stat()
            line = f"{file.relative_to(folder)}\0{found.st_size}\0{found.st_mtime_ns}\0"
            digest.update(line.encode(errors="surrogateescape"))
    return str(Path(datasets.config.HF_DATASETS_CACHE) / "rilctl-folders" / digest.hexdigest()[:16])


def refuse_full_cache(error: BaseException) -> None:
    """Raise `DataError` where the reason for an error of `datasets` is that its cache has no room."""
    import datasets

    cause: BaseException | None = error
    while cause is not None:
        # datasets looks for room before it writes, and then has no errno
        if isinstance(cause, OSError) and (cause.errno in _FULL or "Not enough disk space" in str(cause)):
            raise DataError(
                f"no room to copy the data set into the cache of `datasets`: {(cause.strerror or str(cause)).lower()}",
                hint=f"free space in {datasets.config.HF_DATASETS_CACHE}, or set HF_DATASETS_CACHE to another disk",
            ) from error
        cause = cause.__cause__ or cause.__context__
