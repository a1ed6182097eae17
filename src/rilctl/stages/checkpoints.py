"""Checkpoints of a training verb: private scratch under `resume/`, written whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rilctl.artifacts.layout import fsync_directory, write_atomic
from rilctl.engines.training.base import TrainingEngine
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel, first_problem

STATE = "state.json"
State = TypeVar("State", bound=StrictModel)


def save_checkpoint(resume_dir: Path, step: int, engines: Mapping[str, TrainingEngine], state: StrictModel) -> None:
    """Write a checkpoint, then drop the older ones.

    Args:
        resume_dir: the run's scratch directory.
        step: steps that are done.
        engines: what trains, by name.
        state: anything else that the verb wants to remember.
    """
    staging = resume_dir / "writing"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for name, engine in engines.items():
        engine.save(staging / name)
    write_atomic(staging / STATE, state.model_dump_json().encode())
    final = resume_dir / f"step-{step:08d}"
    shutil.rmtree(final, ignore_errors=True)
    staging.rename(final)
    fsync_directory(resume_dir)
    for old in resume_dir.glob("step-*"):
        if old != final:
            shutil.rmtree(old)


def load_checkpoint(
    resume_dir: Path, engines: Mapping[str, TrainingEngine], state_type: type[State]
) -> tuple[int, State] | None:
    """Restore the newest checkpoint: (steps done, state), or None where there is none.

    Raises:
        ArtifactError: the checkpoint is damaged or of another model.
    """
    found = sorted(resume_dir.glob("step-*"))
    if not found:
        return None
    path = found[-1]
    for name, engine in engines.items():
        engine.load(path / name)
    try:
        state = state_type.model_validate_json((path / STATE).read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_problem(error)
        raise ArtifactError(f"{path / STATE} can't be read: {reason}", hint="delete `resume` to start over") from error
    return int(path.name.removeprefix("step-")), state
