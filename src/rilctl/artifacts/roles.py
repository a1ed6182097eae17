"""The artifacts of a run that makes several, one in a directory for each role."""

from pathlib import Path

from rilctl.artifacts.layout import MANIFEST, SCRATCH
from rilctl.artifacts.manifests import read_manifest
from rilctl.errors import ArtifactError


def artifacts_in(run: Path) -> list[Path]:
    """The directories of a run's roles that have a manifest, sound or not, sorted by name."""
    return [
        child
        for child in sorted(run.iterdir())
        if child.name not in SCRATCH and not child.name.startswith(".") and (child / MANIFEST).exists()
    ]


def named_roles(run: Path) -> set[str]:
    """The roles that should stand in a run's directory, by what those say that do; those of version 1 say nothing."""
    named: set[str] = set()
    for path in artifacts_in(run):
        try:
            named |= {*read_manifest(path).roles}
        except ArtifactError:
            continue  # whoever reads that one is told
    return named


def missing_roles(run: Path) -> list[str]:
    """Roles that should stand in a run's directory and have no manifest."""
    return sorted(named_roles(run) - {path.name for path in artifacts_in(run)})
