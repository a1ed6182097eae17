"""Where artifacts and runs lie below a directory."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rilctl.artifacts.layout import MANIFEST, RUN, SCRATCH

FOLDER_LEVELS: Final = 4
"""How far below a folder that somebody names its runs are looked for: recipes, verbs or arms, roles, and one more."""


def walk_runs(root: Path, *, most_levels: int | None = None) -> Iterator[Path]:
    """Directories that are artifacts or runs; hidden and scratch directories are left out.

    Args:
        root: where to look.
        most_levels: of folders below it; None: all.
    """
    for folder, children, files in os.walk(root):
        children[:] = sorted(c for c in children if c not in SCRATCH and not c.startswith("."))
        path = Path(folder)
        if MANIFEST in files or RUN in files:
            if MANIFEST in files or not any((path / child / MANIFEST).exists() for child in children):
                children.clear()
            yield path
        if most_levels is not None and len(path.relative_to(root).parts) >= most_levels:
            children.clear()
