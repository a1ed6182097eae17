"""What `artifacts rm` deletes: the runs that a person names, and what was made from them."""

from collections.abc import Sequence
from pathlib import Path

from rilctl.artifacts.calls_file import calls_path
from rilctl.artifacts.dependents import closure, users_first, users_of, uses_of
from rilctl.artifacts.layout import MANIFEST, RUN
from rilctl.artifacts.manifests import is_part_of_run
from rilctl.artifacts.meant import check_directory
from rilctl.artifacts.removal import Removal, removal_of, runs_inside
from rilctl.artifacts.stored import quoted, run_places, runs_below, size_of, stored_run
from rilctl.artifacts.walk import FOLDER_LEVELS
from rilctl.errors import ArtifactError, UsageError

_PARENTS = 4


def plan_removal(paths: Sequence[Path], roots: Sequence[Path], *, dependents: bool) -> list[Removal]:
    """What goes if some runs go, users before what they were made from; nothing is changed.

    Args:
        paths: runs, artifacts of a run, which stand for the whole run, or links to one, which go as links.
        roots: where to look for what was made from them.
        dependents: what was made from them goes as well.

    Raises:
        ArtifactError: one of the paths is no run or artifact of ours, or its manifests can't be read.
        UsageError: without `dependents`, others were made from one of them; or a run has other runs in it.
    """
    named = {path: run_at(path) for path in dict.fromkeys(paths)}  # refuses what is none, through a link as well
    links = [path for path in named if path.is_symlink()]
    wanted = {run.resolve(): run for path, run in named.items() if not path.is_symlink()}
    runs = runs_below(roots, [*wanted.values()])
    uses = uses_of(runs)
    first = [run.path for run in runs if run.path.resolve() in wanted]
    going = closure(first, users_of(uses))
    if not dependents and (others := sorted(going - {*first})):
        raise UsageError(
            f"{quoted(others)} {'was' if len(others) == 1 else 'were'} made from {quoted(first)}",
            hint="`rilctl artifacts rm --dependents` deletes these too",
        )
    for path in sorted(going):
        if inside := list(runs_inside(path)):
            raise UsageError(f"`{path}` has other runs in it: {quoted(inside)}", hint="delete or move those first")
    by_path = {run.path: run for run in runs}
    return [
        *(
            Removal(
                path=str(path),
                what="link",
                verb=stored_run(path).verb,
                size_bytes=size_of(path),
                created_at="",
                reason="named; what it leads to stays",
                strays=[],
                lock=None,
            )
            for path in links
        ),
        *(
            removal_of(by_path[path], "named" if path in first else "made from what goes")
            for path in users_first(going, uses)
        ),
    ]


def run_at(path: Path) -> Path:
    """The run that a person means: the directory itself, or that of the run which an artifact is a role of.

    Raises:
        ArtifactError: nothing is there, or nothing that is surely ours.
    """
    check_directory(path)
    if is_part_of_run(path):
        if not (path / MANIFEST).exists():
            raise ArtifactError(
                f"`{path}` is a part of a run, and no artifact", hint=f"name the whole run: `{path.absolute().parent}`"
            )
        return path.parent if path.name else path.absolute().parent
    if not ((path / RUN).exists() or (path / MANIFEST).exists()):
        below = run_places(path, most_levels=FOLDER_LEVELS)
        raise ArtifactError(
            f"`{path}` is neither a run nor an artifact: it has no {RUN} or {MANIFEST}",
            hint=f"name the runs in it: {quoted(below)}" if below else "delete it by other means",
        )
    if stored_run(path).state == "unreadable":
        raise ArtifactError(
            f"`{path}` may be no run of ours: neither its {RUN} nor its manifest can be read",
            hint="look what it is, and delete it by other means",
        )
    return path


def workspaces_of(paths: Sequence[Path], *, usual: Path) -> list[Path]:
    """Where to look for what was made from some runs.

    Args:
        paths: the runs.
        usual: the workspace root that a recipe has by default; looked at where it is.

    Returns:
        That, and of each run the folder that has a call cache, which a workspace root has, or else its own folder.
    """
    found = [usual] if usual.is_dir() else []
    for path in paths:
        place = path.parent.resolve() / path.name
        above = [*place.parents][:_PARENTS] or [place]
        root = next((folder for folder in above if calls_path(folder).exists()), above[0])
        if not any(root.is_relative_to(other.resolve()) for other in found):
            found.append(root)
    return found
