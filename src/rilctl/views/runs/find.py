"""Find the runs that a person means by some directories."""

from collections import Counter
from pathlib import Path

from rilctl.artifacts.layout import MANIFEST, RESUME, RUN
from rilctl.artifacts.manifests import is_part_of_run, read_manifest
from rilctl.artifacts.meant import check_directory, did_you_mean
from rilctl.artifacts.roles import artifacts_in, missing_roles, named_roles
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.walk import walk_runs
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import Manifest
from rilctl.schemas.run import RunFile
from rilctl.views.runs.alive import Writer, writer_of
from rilctl.views.runs.view import RunState, RunView

_NUM_NAME_PARTS = 2
_NAME_ONE = "name the output directory of a verb, an artifact, or a folder that holds some: `runs/RECIPE`"


def find_runs(*paths: Path) -> list[RunView]:
    """The runs at and below some directories, sorted by path below each; one that several name is there once.

    Args:
        paths: of a run, of an artifact, with or without its run, or of a folder that holds some.

    Raises:
        ArtifactError: there is none at a path.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for run in _runs_at(path):
            found.setdefault(run.resolve(), run)
    return [_view(run, name) for run, name in zip(found.values(), distinct_names([*found]), strict=True)]


def view_run(path: Path) -> RunView:
    """A run as it stands now.

    Args:
        path: its directory, as `find_runs` gives it.

    Raises:
        ArtifactError: the directory may not be read.
    """
    return _view(path, distinct_names([path])[0])


def distinct_names(paths: list[Path]) -> list[str]:
    """The last parts of each path, at least recipe and verb, and as many as tell it from the others."""
    parts = [path.absolute().parts[1:] for path in paths]
    names = [""] * len(paths)
    for num in range(_NUM_NAME_PARTS, max(map(len, parts), default=0) + _NUM_NAME_PARTS):
        names = [name or "/".join(part[-num:]) for name, part in zip(names, parts, strict=True)]
        others = Counter(name for name, _ in {*zip(names, parts, strict=True)})
        twice = {name for name, times in others.items() if times > 1}
        if not twice:
            break
        names = ["" if name in twice and len(part) > num else name for name, part in zip(names, parts, strict=True)]
    return names


def _runs_at(path: Path) -> list[Path]:
    try:
        check_directory(path, otherwise=_NAME_ONE)
        if is_part_of_run(path):
            return [path.parent if path.name else path.absolute().parent]
        found = [run for run in walk_runs(path) if not is_part_of_run(run)]
    except OSError as error:
        raise unreadable(path, error) from error
    if not found:
        raise ArtifactError(
            f"there is no run at `{path}`, nor below it: no directory has a {RUN} or {MANIFEST}",
            hint=did_you_mean(path) or _NAME_ONE,
        )
    return found


def _view(path: Path, name: str) -> RunView:
    problems: list[str] = []
    run_file = _run_file(path, problems)
    artifacts: dict[str, Path] = {}
    manifests: dict[str, Manifest] = {}
    try:
        is_artifact = (path / MANIFEST).exists()
        for place in [path] if is_artifact else artifacts_in(path):
            try:
                manifest = read_manifest(place)
            except ArtifactError as error:
                problems.append(error.message)
                continue
            role = manifest.kind if is_artifact else place.name
            artifacts[role], manifests[role] = place, manifest
        writer = writer_of(path)
        goes_on = not is_artifact and (path / RESUME).exists() and not named_roles(path)
        is_finished = _is_whole(manifests) and not missing_roles(path) and not goes_on
        state: RunState = "finished" if is_finished else _state_now(writer, known=bool(run_file or manifests))
    except OSError as error:
        raise unreadable(path, error) from error
    return RunView(path, name, state, writer, run_file, artifacts, manifests, problems)


def _run_file(path: Path, problems: list[str]) -> RunFile | None:
    if not (path / RUN).exists():
        return None
    try:
        return read_run(path)
    except ArtifactError as error:
        problems.append(error.message)
        return None


def _is_whole(manifests: dict[str, Manifest]) -> bool:
    return bool(manifests) and all(manifest.status == "complete" for manifest in manifests.values())


def _state_now(writer: Writer | None, *, known: bool) -> RunState:
    if writer is not None and writer.is_alive:
        return "running"
    return "stopped" if known else "unreadable"
