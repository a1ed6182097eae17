"""What a person probably meant by a path where no artifact is."""

from pathlib import Path
from typing import Final

from rilctl.artifacts.layout import MANIFEST, RUN
from rilctl.config.suggest import nearest
from rilctl.errors import ArtifactError

NAME_ONE: Final = "name the directory of an artifact or a run; `rilctl artifacts ls DIR` lists those below a folder"


def check_directory(path: Path, *, otherwise: str = NAME_ONE) -> None:
    """Raise `ArtifactError` unless a directory is there.

    Args:
        path: what a person wrote.
        otherwise: the hint where no directory has a name like it.

    Raises:
        OSError: a folder above it may not be read.
    """
    if not path.exists():
        raise ArtifactError(f"`{path}` doesn't exist", hint=did_you_mean(path) or otherwise)
    if not path.is_dir():
        raise ArtifactError(f"`{path}` is a file", hint=instead_of_file(path) or otherwise)


def did_you_mean(path: Path) -> str | None:
    """A hint at a directory that is called almost as `path`, in each part of it, and isn't it."""
    near = _near(path)
    return f"did you mean `{near}`?" if near else None


def instead_of_file(path: Path) -> str | None:
    """A hint at what to do with a file where a directory is wanted: with a recipe, or with a part of an artifact."""
    if path.suffix == ".toml":
        return f"is it a recipe? `rilctl config show {path}` shows it; an artifact is the directory that a verb wrote"
    inside = next(
        (folder for folder in path.parents if any((folder / name).exists() for name in (MANIFEST, RUN))), None
    )
    return f"it lies in `{inside}`: name that" if inside else None


def _near(path: Path) -> Path | None:
    parent = path.parent if path.parent.is_dir() else _near(path.parent)
    if parent is None:
        return None
    if parent != path.parent and (parent / path.name).is_dir():
        return parent / path.name
    try:
        match = nearest(path.name, (each.name for each in parent.iterdir() if each.is_dir() and each.name != path.name))
    except OSError:  # who may enter a folder may not be allowed to list it
        return None
    return parent / match if match else None
