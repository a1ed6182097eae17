"""Counts the files that a rollout's data passes through in a step of `train`: `python -m tests.golden.road [NAME]`.

A file counts if one of its functions is given, or gives, a rollout or what was computed of one: the engine's response,
its text, token ids or log-probabilities, a row, a record, or a tensor that comes from any of these. It is one step of a
golden trajectory, from the engine's answer to the line in the log of rollouts that becomes the artifact. Imports don't
count, nor do files of `config/`, nor what is given a line of a file. Files that lead neither to the policy's loss nor
to the record are named apart, and so is what stands behind the door of a judge or of a recipe's own reward: a text and
its question go in, a verdict comes out, and who gives it may as well be another server's model or another's code. The
door itself counts.
"""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

import rilctl
from rilctl.algorithms.terms import Terms
from rilctl.engines.generation.base import Response
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.models.discriminator import DiscriminatorRow
from rilctl.rewards.base import RewardRow
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.train.rollout_log import LearnedGroup
from rilctl.stages.train.rows import Group, MicroBatch, Row
from rilctl.testing.stages import run_stage

from .trajectories import write_workspace

ROOT = Path(rilctl.__file__).parent
FORMS = (Response, Row, Group, LearnedGroup, RolloutRecord, MicroBatch, Terms)
"""Forms of a rollout."""
QUESTIONS = (JudgeRequest, Verdict, RewardRow, DiscriminatorRow, LabelledRows)
"""What others are asked of it."""
BESIDE = {
    "algorithms/disc_loss.py": "what the discriminator learns",
    "stages/shared/labelled.py": "what the discriminator learns",
    "algorithms/disc_metrics.py": "metrics",
    "algorithms/policy_metrics.py": "metrics",
    "stages/train/row_metrics.py": "metrics",
    "engines/training/": "what becomes of a loss",
    "engines/judging/": "behind the judge's door",
    "rewards/": "behind a reward's door",
}
"""By the beginning of their names."""
DOORS = ("engines/judging/base.py", "rewards/base.py", "rewards/call.py")
"""Through which a judge and a reward are asked."""


class Road(TorchDispatchMode):
    """Notes the files, while it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, set[str]] = {}
        """By file, its functions."""
        self._values: set[object] = set()
        self._tensors: Any = WeakIdKeyDictionary()
        self._is_on = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What is computed of a rollout's tensors is one."""
        result = func(*args, **(kwargs or {}))
        if self._is_on and any(self._is_known(value) for value in _flat((args, kwargs))):
            self._learn(result)
        return result

    def note(self, frame: FrameType, event: str, value: object) -> None:
        """As `sys.setprofile` calls it."""
        if event not in ("call", "return") or not frame.f_code.co_filename.startswith(str(ROOT)):
            return
        file, name = Path(frame.f_code.co_filename).relative_to(ROOT).as_posix(), frame.f_code.co_qualname
        if event == "return" and name.endswith("Generation.generate"):
            self._is_on = True
            self._learn(value)
            return
        if not self._is_on or file.startswith("config/"):
            return
        code = frame.f_code
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals.get(each) for each in arguments]
        if event == "return" and file == "stages/train/rollout_log.py" and name == "RolloutLog.append":
            self._is_on = False
        if any(self._is_known(each) for each in _flat([*given, value])):
            self.files.setdefault(file, set()).add(name)
            if event == "return":
                self._learn(value)

    def _is_known(self, value: object) -> bool:
        if isinstance(value, Tensor):
            return value in self._tensors
        if isinstance(value, str | tuple):
            try:
                return len(value) > 1 and value in self._values
            except TypeError:
                return False
        return isinstance(value, (*FORMS, *QUESTIONS))

    def _learn(self, value: object) -> None:
        for each in _flat(value):
            if isinstance(each, Tensor) and not isinstance(each, nn.Parameter):
                self._tensors[each] = True
            if isinstance(each, Response):
                self._values |= {each.text, each.token_ids, each.sampling_logprobs}


def _flat(value: object, depth: int = 5) -> Iterator[object]:
    """The value, and what it holds."""
    yield value
    if depth and isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _flat(each, depth - 1)


def follow(folder: Path, name: str) -> tuple[dict[str, set[str]], dict[str, str]]:
    """One step of a golden trajectory.

    Args:
        folder: empty.
        name: of the trajectory.

    Returns:
        Files with their functions that met a rollout; and of those beside the road, what they lead to.
    """
    road, runs = Road(), write_workspace(folder)
    threading.setprofile(road.note)
    sys.setprofile(road.note)
    try:
        with road:
            run_stage(folder, "train", *runs[name], "train.num_steps=1", out=folder / "out")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    inside = road.files.keys() - set(DOORS)
    beside = {file: what for file in inside for start, what in BESIDE.items() if file.startswith(start)}
    return road.files, beside


def main(name: str = "ril") -> None:
    """See the module."""
    with TemporaryDirectory() as folder:
        files, beside = follow(Path(folder), name)
    for file, functions in sorted(files.items()):
        print(f"{file}{f' ({beside[file]})' if file in beside else ''}: {', '.join(sorted(functions))}")
    print(f"{len(files) - len(beside)} files, and {len(beside)} beside the road")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
