"""Checkpoints of a training verb: private scratch under `resume/`, written whole or not at all, by all ranks.

    resume/
      step-00000050/checkpoint.json       written last, with the digest of everything that a resumed run trusts
      step-00000050/ENGINE/training-*     a file of each rank, see `engines/training/state.py`
      writing/                            the next one

Training goes on while a checkpoint is written; it has its name one or a few steps later.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

from pydantic import ValidationError

from rilctl.artifacts.check import check_file, refuse_others
from rilctl.artifacts.layout import fsync_directory, remove_tree, write_atomic
from rilctl.artifacts.log_file import LogFile
from rilctl.artifacts.sealed import is_sealed, load_json, sealed_json
from rilctl.clock import timed
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.disk import Disk, Written, free_room_bytes
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel, first_problem
from rilctl.schemas.checkpoint import Checkpoint, Mark
from rilctl.schemas.manifest import FileEntry

CHECKPOINT = "checkpoint.json"
_STEP = "step-"
SOON_BYTES = 1 << 28
"""So little is waited for."""
State = TypeVar("State", bound=StrictModel)


def has_checkpoint(resume_dir: Path) -> bool:
    """Whether there is something to go on from."""
    return newest_checkpoint(resume_dir) is not None


def newest_checkpoint(directory: Path) -> Path | None:
    """The last one there; None: there is none."""
    return max(directory.glob(f"{_STEP}*"), default=None)


@dataclass(frozen=True)
class _Pending(Generic[State]):
    step: int
    state: State
    logs: dict[str, Mark]


class Checkpoints(Generic[State]):
    """Those of one run; all calls are collective.

    Args:
        resume_dir: the run's scratch directory.
        engines: what trains, by name.
        state_type: what else the verb remembers.
        logs: what it appends to, through rank 0.
        ranks: whose directory it is; rank 0 writes what isn't an engine's.
        say: told that another number of ranks goes on.
        published: called on every rank with what a checkpoint remembers, when that is on the disk.
    """

    def __init__(
        self,
        resume_dir: Path,
        engines: Mapping[str, TrainingEngine],
        state_type: type[State],
        logs: Sequence[LogFile],
        *,
        ranks: Ranks,
        say: Callable[[str], object],
        published: Callable[[int, State], object] = lambda *_: None,
    ) -> None:
        self._directory, self._engines, self._state_type = resume_dir, engines, state_type
        self._logs, self._ranks, self._say, self._published = logs, ranks, say, published
        self._staging = resume_dir / "writing"
        self._disk = Disk(free_room_bytes(ranks.size))
        self._pending: _Pending[State] | None = None
        self._newest: int | None = None
        self.hint = f"delete `{resume_dir}` and run the same command again: it starts over"

    def __enter__(self) -> "Checkpoints[State]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._disk.__exit__(kind, error, at)

    def load(self, num_steps: int) -> tuple[int, State] | None:
        """Go on from the newest checkpoint, logs cut back to it.

        Args:
            num_steps: of the whole run.

        Returns:
            Steps done, and the state; None where there is none, and the logs are empty.

        Raises:
            ArtifactError: something isn't as it was when the checkpoint was written, or it is of another model.
        """
        with timed("checkpoint"):
            return self._load(num_steps)

    def _load(self, num_steps: int) -> tuple[int, State] | None:
        ranks, found = self._ranks, sorted(self._directory.glob(f"{_STEP}*"))
        checkpoint: Checkpoint | None = None
        with ranks.together():
            if found:
                checkpoint = self._read(found[-1], num_steps)
                refuse_others(found[-1], {CHECKPOINT, *(file.path for file in checkpoint.files)}, hint=self.hint)
                for file in ranks.share(checkpoint.files):
                    check_file(found[-1], file, hint=self.hint)
            state = self._state_of(found[-1], checkpoint) if checkpoint else None
            for log in self._logs if ranks.is_main else ():
                mark = checkpoint.logs.get(log.path.name) if checkpoint else None
                log.cut_to(mark, hint=self.hint)
        if checkpoint is None or state is None:
            return None
        for name, engine in self._engines.items():
            with ranks.together():
                engine.load(found[-1] / name)
        if checkpoint.num_ranks != ranks.size:
            self._say(
                f"{checkpoint.num_ranks} processes wrote the checkpoint, {ranks.size} go on: the same training, but "
                "sums are taken in another order, so that numbers may differ by rounding"
            )
        self._newest = checkpoint.step
        return checkpoint.step, state

    def after_step(self, step: int, state: Callable[[], State], *, is_due: bool, is_last: bool) -> None:
        """Save where a checkpoint is due, and give the one under way its name where it is written.

        Args:
            step: steps that are done.
            state: gives what else the verb wants to remember.
            is_due: whether a checkpoint is.
            is_last: whether no step follows in this process: save, unless it is there, and wait until it is written.
        """
        with timed("checkpoint"):
            if (is_due or is_last) and step != self._newest:
                self.save(step, state())
            self.settle(wait=is_last)

    def save(self, step: int, state: State) -> None:
        """Write a checkpoint, beside what comes next where memory allows; `settle` gives it its name.

        Args:
            step: steps that are done.
            state: anything else that the verb wants to remember.
        """
        self.settle(wait=True)
        with self._ranks.together():
            if self._ranks.is_main:
                shutil.rmtree(self._staging, ignore_errors=True)
                self._staging.mkdir()
        for name, engine in self._engines.items():
            engine.save(self._staging / name, self._disk)
        with self._ranks.together():
            logs = {log.path.name: log.mark() for log in self._logs} if self._ranks.is_main else {}
        self._pending, self._newest = _Pending(step, state, logs), step

    def settle(self, *, wait: bool) -> None:
        """Give the checkpoint under way its name, and drop the older ones.

        Args:
            wait: until it is written; False: only where little of it is left to write, on any rank.

        Raises:
            OSError: it couldn't be written; the one before it is there.
        """
        if self._pending is None:
            return
        if not wait and self._ranks.largest(self._disk.waiting_bytes) > SOON_BYTES:
            return
        pending, self._pending = self._pending, None
        with self._ranks.together():
            try:
                own = self._disk.wait()
            except OSError:
                shutil.rmtree(self._staging, ignore_errors=True)  # what a full disk needs most
                raise
        files = self._ranks.gather_lists([self._entry(each).model_dump() for each in own])
        with self._ranks.together():
            if self._ranks.is_main:
                self._publish(pending, [FileEntry.model_validate(file) for file in files])
            self._published(pending.step, pending.state)

    def _entry(self, written: Written) -> FileEntry:
        path = written.path.relative_to(self._staging).as_posix()
        return FileEntry(path=path, size_bytes=written.size_bytes, sha256=written.sha256)

    def _publish(self, pending: _Pending[State], files: Sequence[FileEntry]) -> None:
        checkpoint = Checkpoint(
            step=pending.step,
            num_ranks=self._ranks.size,
            state=pending.state.model_dump(mode="json"),
            files=list(files),
            logs=pending.logs,
        )
        final = self._directory / f"{_STEP}{pending.step:08d}"
        shutil.rmtree(final, ignore_errors=True)
        for folder in self._staging.iterdir():
            fsync_directory(folder)  # the names of the engines' files, whose bytes are there
        write_atomic(self._staging / CHECKPOINT, sealed_json(checkpoint))
        self._staging.rename(final)
        fsync_directory(self._directory)
        for old in self._directory.glob(f"{_STEP}*"):
            if old != final:
                remove_tree(old)

    def _read(self, path: Path, num_steps: int) -> Checkpoint:
        file = path / CHECKPOINT
        data, raw = load_json(file, hint=self.hint)
        try:
            checkpoint = Checkpoint.model_validate(raw)
        except ValidationError as error:
            raise ArtifactError(f"`{file}` is no checkpoint: {first_problem(error)}", hint=self.hint) from error
        if not is_sealed(data, checkpoint.file_digest):
            raise ArtifactError(f"`{file}` was changed since it was written", hint=self.hint)
        if path.name != f"{_STEP}{checkpoint.step:08d}":
            raise ArtifactError(
                f"`{path}` is the checkpoint of step {checkpoint.step}, and was renamed", hint=self.hint
            )
        if checkpoint.step > num_steps:
            raise ArtifactError(f"`{path}` lies beyond this run's {num_steps} steps", hint=self.hint)
        return checkpoint

    def _state_of(self, path: Path, checkpoint: Checkpoint) -> State:
        try:
            return self._state_type.model_validate_json(json.dumps(checkpoint.state))
        except ValidationError as error:
            raise ArtifactError(
                f"`{path / CHECKPOINT}` is of another verb: {first_problem(error)}", hint=self.hint
            ) from error
