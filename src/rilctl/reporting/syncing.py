"""Send trackers what they lack of a run that nobody is writing."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rilctl.artifacts.layout import METRICS, RUN
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.meant import check_directory
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.walk import FOLDER_LEVELS, walk_runs
from rilctl.config.recipe import Recipe
from rilctl.config.suggest import did_you_mean
from rilctl.data.load import load_samples
from rilctl.data.sample import Sample
from rilctl.errors import ArtifactError, RilctlError, UsageError
from rilctl.reporting.found_pictures import pictures_of
from rilctl.reporting.mirror import Mirror, Mirrored
from rilctl.reporting.sent import sent_file
from rilctl.schemas.run import RunFile
from rilctl.trackers.table import TRACKERS

_NAME_ONE = "name what `sft`, `pretrain-disc` or `train` has written"
_MOST_NAMED = 3


@dataclass(frozen=True)
class Synced:
    """What a tracker was sent.

    Args:
        name: the tracker's.
        num_steps: that it lacked.
    """

    name: str
    num_steps: int


def sync_run(path: Path, names: Sequence[str], *, anew: bool, warn: Callable[[str], object]) -> list[Synced]:
    """Bring trackers up to date.

    Args:
        path: the run's directory.
        names: of the trackers; none: those of the run's recipe.
        anew: forget what they were sent.
        warn: told what is missing.

    Raises:
        ArtifactError: no run that logs steps, or a damaged one.
        LockedError: the run is under way.
        RilctlError: a tracker has failed; what it was sent isn't sent again.
        UsageError: no such tracker, or the recipe has none.
    """
    check_directory(path, otherwise=_NAME_ONE)
    if not (path / RUN).is_file() or not (path / METRICS).is_file():
        raise ArtifactError(f"`{path}` is no run with a {METRICS}", hint=_meant(path) or _NAME_ONE)
    run = read_run(path)
    recipe = _recipe(run)
    names = names or (recipe.tracking.to if recipe else ())
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"no tracker `{name}`{did_you_mean(name, TRACKERS)}", hint=f"one of {', '.join(TRACKERS)}")
    if not names:
        raise UsageError("the run's recipe names no tracker", hint=f"name one of {', '.join(TRACKERS)}")
    name = f"{path.resolve().parent.name}/{run.verb}"
    mirrored = Mirrored(path, name, run.config, run.inputs, pictures_of(lambda: _samples(recipe, warn)))
    with writer_lock(path):
        if anew:
            for each in names:
                sent_file(path, each).unlink(missing_ok=True)
        return [_sync(each, mirrored) for each in dict.fromkeys(names)]


def _sync(name: str, run: Mirrored) -> Synced:
    mirror = Mirror(TRACKERS[name], run)
    try:
        mirror.send()
        mirror.finish()
    except RilctlError:
        raise
    except ImportError as error:
        extra = TRACKERS[name].extra
        raise UsageError(f"tracker `{name}`: {error}", hint=f"pip install 'rilctl[{extra}]'") from error
    except Exception as error:  # whatever its library raises
        raise RilctlError(
            f"{name} has failed after {mirror.num_sent} steps: {type(error).__name__}: {error}",
            hint="the same command again sends the rest",
        ) from error
    return Synced(name, mirror.num_sent)


def _recipe(run: RunFile) -> Recipe | None:
    """The run's recipe; None where another version of rilctl has written it."""
    try:
        return Recipe.model_validate_json(json.dumps(run.config))
    except ValidationError:
        return None


def _samples(recipe: Recipe | None, warn: Callable[[str], object]) -> Iterable[Sample]:
    """The questions, for their pictures; none where the data set isn't there, which is said."""
    if recipe is None or recipe.data is None:
        return ()
    try:
        plain = recipe.data.model_copy(update={"select": type(recipe.data.select)()})
        return load_samples(plain, base_dir=Path.cwd(), split="train").samples
    except (RilctlError, OSError) as error:
        warn(f"rollouts are sent without pictures: {error}")
        return ()


def _meant(path: Path) -> str | None:
    """A hint at the run that an artifact belongs to, or at those below a folder."""
    if (path.parent / METRICS).is_file():
        return f"it lies in the run `{path.parent}`: name that"
    below = [run for run in walk_runs(path, most_levels=FOLDER_LEVELS) if (run / METRICS).is_file()]
    return f"name one of them: {', '.join(f'`{run}`' for run in below[:_MOST_NAMED])}" if below else None
