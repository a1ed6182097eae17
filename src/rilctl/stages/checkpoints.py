"""Checkpoints of a training verb: private scratch under `resume/`, written whole or not at all, by all ranks."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rilctl.artifacts.layout import fsync_directory, naming, write_atomic
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel, first_problem

STATE = "state.json"
RANKS = "ranks.json"
State = TypeVar("State", bound=StrictModel)


class Written(StrictModel):
    """`ranks.json`: who wrote a checkpoint."""

    num_ranks: int
    """Processes that trained."""


def save_checkpoint(
    resume_dir: Path, step: int, engines: Mapping[str, TrainingEngine], state: StrictModel, *, ranks: Ranks
) -> None:
    """Write a checkpoint, then drop the older ones. Collective.

    Args:
        resume_dir: the run's scratch directory.
        step: steps that are done.
        engines: what trains, by name.
        state: anything else that the verb wants to remember.
        ranks: whose directory it is; rank 0 writes what isn't an engine's.
    """
    staging = resume_dir / "writing"
    with ranks.together():
        if ranks.is_main:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
    for name, engine in engines.items():
        with naming(staging / name):
            engine.save(staging / name)
    with ranks.together():
        if ranks.is_main:
            write_atomic(staging / STATE, state.model_dump_json().encode())
            write_atomic(staging / RANKS, Written(num_ranks=ranks.size).model_dump_json().encode())
            _publish(resume_dir, staging, step)


def _publish(resume_dir: Path, staging: Path, step: int) -> None:
    final = resume_dir / f"step-{step:08d}"
    shutil.rmtree(final, ignore_errors=True)
    for folder in (*staging.iterdir(), staging):
        if folder.is_dir():
            fsync_directory(folder)  # the names of the engines' files, whose bytes are there
    staging.rename(final)
    fsync_directory(resume_dir)
    for old in resume_dir.glob("step-*"):
        if old != final:
            shutil.rmtree(old)


def load_checkpoint(
    resume_dir: Path,
    engines: Mapping[str, TrainingEngine],
    state_type: type[State],
    *,
    ranks: Ranks,
    say: Callable[[str], object],
) -> tuple[int, State] | None:
    """Restore the newest checkpoint: (steps done, state), or None where there is none. Collective.

    Args:
        resume_dir: the run's scratch directory.
        engines: what trains, by name.
        state_type: what else was remembered.
        ranks: who reads; another number of them than wrote is fine, and said.
        say: told that.

    Raises:
        ArtifactError: the checkpoint is damaged or of another model.
    """
    found = sorted(resume_dir.glob("step-*"))
    if not found:
        return None
    path = found[-1]
    with ranks.together():
        state, written = _read(path / STATE, state_type), _read(path / RANKS, Written)
    for name, engine in engines.items():
        with ranks.together():
            engine.load(path / name)
    if written.num_ranks != ranks.size:
        say(
            f"{written.num_ranks} processes wrote the checkpoint, {ranks.size} go on: the same training, but sums are "
            "taken in another order, so that numbers may differ by rounding"
        )
    return int(path.name.removeprefix("step-")), state


def _read(file: Path, model: type[State]) -> State:
    try:
        return model.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_problem(error)
        raise ArtifactError(f"{file} can't be read: {reason}", hint="delete `resume` to start over") from error
