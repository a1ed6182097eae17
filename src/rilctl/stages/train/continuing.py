"""A finished run that kept its training, and another with the same recipe and more steps that goes on from it.

training/
step-00001000/      the last checkpoint
rollouts.jsonl      every row of every step, as the checkpoint marks it
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from rilctl.artifacts.differences import differences_of
from rilctl.artifacts.layout import (
    LOGS,
    MANIFEST,
    ROLLOUT_LOG,
    RUN,
    TRAINING,
    copy_files,
    fsync_directory,
    link_files,
    remove_tree,
)
from rilctl.artifacts.read import input_entry, resolve
from rilctl.artifacts.runs import Run, read_run
from rilctl.artifacts.sealed import load_json
from rilctl.config.fields import OptimConfig
from rilctl.config.train import TrainConfig
from rilctl.engines.training.optimizer import learning_rate
from rilctl.errors import UsageError
from rilctl.reporting.progress import Reporter
from rilctl.schemas.checkpoint import Checkpoint
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.checkpoints import CHECKPOINT, newest_checkpoint
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.trained import BEST
from rilctl.stages.train.kept import BestStudent
from rilctl.stages.train.state import TrainState

_MAY_DIFFER = ("train.num_steps", "train.num_tokens", "train.patience", "train.keep", "train.optim.")
"""Keys, or the beginnings of them."""
_MAY_DIFFER_TOO = ("train.discriminator.optim.", "input match-tokens", "input continued")


@dataclass(frozen=True)
class Continued:
    """A run that another one goes on from.

    Args:
        path: its directory.
        checkpoint: its last.
        state: what that remembers.
        trained: its `[train]` table.
        entry: its lineage.
    """

    path: Path
    checkpoint: Path
    state: TrainState
    trained: TrainConfig
    entry: InputEntry

    @property
    def step(self) -> int:
        """Steps that it has done."""
        return int(self.checkpoint.name.rpartition("-")[2])

    def put_into(self, run: Run) -> None:
        """Give a run that has done nothing yet what this one had when it ended; the checkpoint last, whole."""
        scratch = run.resume_dir
        shutil.copyfile(self.path / TRAINING / ROLLOUT_LOG, scratch / ROLLOUT_LOG)
        for name in LOGS:
            if (self.path / name).exists():
                shutil.copyfile(self.path / name, run.path / name)
        if self.state.best_step is not None:
            best = BestStudent(scratch).path(self.state.best_step)
            remove_tree(best)
            copy_files(self.path / BEST, best)
            (best / MANIFEST).unlink()
        staging = scratch / "continued"
        remove_tree(staging)
        link_files(self.checkpoint, staging)
        staging.rename(scratch / self.checkpoint.name)
        fsync_directory(scratch)

    def say(self, reporter: Reporter, config: TrainConfig) -> None:
        """What the learning rate does from one run to the other; a warning where it rises."""
        updates = config.algorithm.policy_updates
        before = learning_rate(self.trained.optim, self.step * updates - 1, self.trained.num_steps * updates)
        after = learning_rate(config.optim, self.step * updates, config.num_steps * updates)
        last = learning_rate(config.optim, config.num_steps * updates - 1, config.num_steps * updates)
        reporter.say(
            f"going on after step {self.step} of {self.path}; learning rate {before:.3g} in its last step, {after:.3g} "
            f"in the next, {_how(config.optim)} {last:.3g} in step {config.num_steps}"
        )
        if after > before * 1.001:
            reporter.warn(
                f"the learning rate rises from {before:.3g} to {after:.3g}: `train.optim` says where it is in a run of "
                f"{config.num_steps} steps; `--set train.optim.lr={before:.3g}` and the like go on where it was"
            )


def keep_training(run: Run) -> None:
    """Keep a run's last checkpoint beside its artifacts, under second names; call it before they are written."""
    kept, newest = run.path / TRAINING, newest_checkpoint(run.resume_dir)
    remove_tree(kept)
    if newest is None:
        return
    link_files(newest, kept / newest.name)
    shutil.copyfile(run.resume_dir / ROLLOUT_LOG, kept / ROLLOUT_LOG)
    fsync_directory(kept)


def find_continued(
    context: StageContext,
    config: TrainConfig,
    name: str,
    semantic: dict[str, JsonValue],
    inputs: Sequence[InputEntry],
) -> Continued:
    """The run that this one goes on from.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        name: its directory, as the recipe says.
        semantic: the part of this run's recipe that decides what it means.
        inputs: what this run is made from.

    Raises:
        ArtifactError: it isn't finished, or is damaged.
        UsageError: it kept no training, is of another recipe, or has as many steps.
    """
    path = context.base_dir / name
    if not (path / RUN).exists() and (path.parent / RUN).exists():
        path = path.parent  # its student was named
    student = resolve(path, "student")
    run = read_run(path)
    if run.verb != "train":
        raise UsageError(f"`{path}` is a run of {run.verb}", hint="name one of `rilctl train`")
    checkpoint = newest_checkpoint(path / TRAINING)
    if checkpoint is None:
        raise UsageError(
            f"`{path}` kept no training: its optimizers are gone",
            hint=f"set `train.keep.training = true` before a run; `--student {student}` begins anew from its student",
        )
    wanted = run.model_copy(update={"semantic": semantic, "inputs": list(inputs)})
    others = [
        words
        for key, words in differences_of(run, wanted).items()
        if not key.startswith((*_MAY_DIFFER, *_MAY_DIFFER_TOO))
    ]
    if others:
        raise UsageError(
            f"`{path}` is of another recipe: {'; '.join(others[:3])}",
            hint="a run is continued with its own recipe; steps, learning rates and what is kept may differ",
        )
    hint = f"restore `{path / TRAINING}`, or begin anew from `--student {student}`"
    _, raw = load_json(checkpoint / CHECKPOINT, hint=hint)
    try:
        state = TrainState.model_validate_json(json.dumps(Checkpoint.model_validate(raw).state))
        trained = TrainConfig.model_validate_json(json.dumps(run.config["train"] or {}))
    except ValidationError as error:
        raise UsageError(f"`{path}` was made by another version of rilctl", hint=hint) from error
    found = Continued(path, checkpoint, state, trained, input_entry("continued", student))
    if config.num_steps <= found.step:
        raise UsageError(
            f"`{path}` has done {found.step} steps, and `train.num_steps` is {config.num_steps}",
            hint=f"ask for more: `--set train.num_steps={2 * found.step}`, say",
        )
    return found


def _how(optim: OptimConfig) -> str:
    return "as much as" if optim.shape == "constant" else f"{optim.shape} to"
