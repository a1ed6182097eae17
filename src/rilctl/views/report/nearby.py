"""Paths as a person who stands in the workspace would type them."""

from pathlib import Path


def nearby(name: str) -> str:
    """A path below the folder that the command runs in without that folder; anything else as it is."""
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else name
    except ValueError:
        return name
