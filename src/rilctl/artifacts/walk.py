"""Where artifacts and runs lie below a directory."""

import os
from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST, RUN, SCRATCH


def walk_runs(root: Path) -> Iterator[Path]:
    """Directories that are artifacts or runs; hidden and scratch directories are left out."""
    for folder, children, files in os.walk(root):
        children[:] = sorted(c for c in children if c not in SCRATCH and not c.startswith("."))
        path = Path(folder)
        if MANIFEST in files or RUN in files:
            if MANIFEST in files or not any((path / child / MANIFEST).exists() for child in children):
                children.clear()
            yield path
