"""Local folders that `datasets` reads through a copy in its cache."""

import hashlib
import os
from pathlib import Path


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
