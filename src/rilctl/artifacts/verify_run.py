"""Check what stands in a run's directory: all artifacts that belong there, its logs, `run.json`, nothing else."""

from collections.abc import Iterator
from pathlib import Path

from rilctl.artifacts.layout import (
    FOR_PEOPLE,
    LOCK,
    LOCK_HOLDER,
    LOGS,
    MANIFEST,
    RESUME,
    RUN,
    SCRATCH,
    is_leftover,
    walk_files,
)
from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.roles import artifacts_in, missing_roles, named_roles
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.verify import Problem, check_entry, unreadable_problem
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import Manifest


class RunReport(StrictModel):
    """What is wrong with a run's directory, beside its artifacts."""

    problems: list[Problem]
    """What is wrong, file by file."""
    leftovers: list[str]
    """What a kill left behind, `resume` among it: nobody reads it, and the next start of the command sweeps it."""


def is_run(path: Path) -> bool:
    """Whether a directory holds a run, or did before its `run.json` was lost; one role of a run is none."""
    if (path / MANIFEST).exists():
        try:
            return not read_manifest(path).roles
        except ArtifactError:
            return (path / RUN).exists()
    return bool(artifacts_in(path))


def verify_run(path: Path) -> RunReport:
    """Check a run's directory; what its artifacts hold is `verify`'s."""
    manifests = _manifests(path)
    problems = [
        Problem(file=f"{role}/{MANIFEST}", problem="is missing, and an artifact beside it names it")
        for role in missing_roles(path)
    ]
    problems += _check_run_file(path, manifests)
    for manifest in manifests:
        problems += [problem for entry in manifest.logs if (problem := check_entry(path, entry)) is not None]
    try:
        problems += [Problem(file=name, problem="is in no manifest") for name in _unlisted(path, manifests)]
        leftovers = _leftovers(path, manifests)
    except OSError as error:
        return RunReport(problems=[*problems, unreadable_problem(".", error)], leftovers=[])
    return RunReport(problems=problems, leftovers=leftovers)


def _manifests(path: Path) -> list[Manifest]:
    """Those that can be read; what is wrong with the others is `verify`'s."""
    found = []
    for artifact in [path] if (path / MANIFEST).exists() else artifacts_in(path):
        try:
            found.append(read_manifest(artifact))
        except ArtifactError:
            continue
    return found


def _check_run_file(path: Path, manifests: list[Manifest]) -> list[Problem]:
    if not (path / RUN).exists():
        return [Problem(file=RUN, problem="is missing: it says what the directory is for")]
    try:
        run = read_run(path)
    except ArtifactError as error:
        return [Problem(file=RUN, problem=error.message, state="unreadable" if is_forbidden(error) else "damaged")]
    if any(manifest.provenance_digest != run.provenance_digest for manifest in manifests):
        return [Problem(file=RUN, problem="is of another run than an artifact beside it")]
    return []


def _unlisted(path: Path, manifests: list[Manifest]) -> Iterator[str]:
    """Logs that no manifest lists though the run is over, and files that are neither the run's nor a role's."""
    if _is_over(path, manifests):
        listed = {entry.path for manifest in manifests for entry in manifest.logs}
        yield from (name for name in LOGS if name not in listed and (path / name).exists())
    if (path / MANIFEST).exists():
        return  # all else is `verify`'s
    roles = named_roles(path) or {artifact.name for artifact in artifacts_in(path)}
    own = {RUN, LOCK, LOCK_HOLDER, *LOGS}
    for name, _ in walk_files(path):
        top = name.split("/", 1)[0]
        is_elsewhere = (
            top in roles or top in (*SCRATCH, *FOR_PEOPLE) or (path / top / RUN).exists()
        )  # the last: a run of its own
        if not is_elsewhere and name not in own and not is_leftover(name):
            yield name


def _leftovers(path: Path, manifests: list[Manifest]) -> list[str]:
    left = [RESUME] if _is_over(path, manifests) and (path / RESUME).exists() else []
    if not (path / MANIFEST).exists():
        left += [name for name, _ in walk_files(path) if is_leftover(name)]
    return left


def _is_over(path: Path, manifests: list[Manifest]) -> bool:
    """Whether nothing will be written any more; unknown of version 1, whose manifests name no roles."""
    is_known = all(manifest.status == "complete" and manifest.file_digest is not None for manifest in manifests)
    return bool(manifests) and is_known and not missing_roles(path)


def is_forbidden(error: ArtifactError) -> bool:
    """Whether nothing is known to be wrong but the permission to look."""
    return isinstance(error.__cause__, PermissionError)
