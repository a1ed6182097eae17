"""Checkpoints are written beside training: the one before is there until the next is whole."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from rilctl.artifacts.log_file import LogFile
from rilctl.config.fields import OptimConfig
from rilctl.engines.training.disk import Disk
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.schemas.base import StrictModel
from rilctl.stages.shared import checkpoints
from rilctl.stages.shared.checkpoints import Checkpoints


class State(StrictModel):
    text: str


class Run:
    """A model that trains, its log, and its checkpoints."""

    def __init__(self, directory: Path) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(8, 8)
        self.engine = TorchTraining(self.model.named_parameters(), OptimConfig(lr=0.1), num_steps=9)
        self.log = LogFile(directory / "log.jsonl")
        self.directory = directory
        self.published: list[int] = []
        self.checkpoints = Checkpoints(
            directory,
            {"policy": self.engine},
            State,
            [self.log],
            ranks=Ranks(),
            say=print,
            published=lambda step, _: self.published.append(step),
        )

    def train(self, step: int) -> None:
        self.engine.backward(self.model(torch.full((1, 8), float(step))).sum())
        self.engine.step()
        self.log.append([f"{step}\n"])

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("step-*"))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that writes nothing until it is set, and has much to write, from now on."""
    go, put = threading.Event(), Disk.put

    def put_later(disk: Disk, work: Callable[[], None], num_bytes: int = 0) -> None:
        def later() -> None:
            assert go.wait(60)
            work()

        put(disk, later, num_bytes)

    monkeypatch.setattr(Disk, "put", put_later)
    monkeypatch.setattr(checkpoints, "SOON_BYTES", -1)
    monkeypatch.setattr(checkpoints, "free_room_bytes", lambda num_processes: 1 << 20)
    return go


def test_training_goes_on_and_the_checkpoint_is_of_the_step_where_it_was_asked_for(
    tmp_path: Path, slow: threading.Event
) -> None:
    run = Run(tmp_path)
    with run.checkpoints:
        run.train(1)
        weights = run.model.weight.detach().clone()
        run.checkpoints.save(1, State(text="one"))
        run.checkpoints.settle(wait=False)
        run.train(2)
        run.checkpoints.settle(wait=False)
        assert run.names() == [] and run.published == [] and not torch.equal(run.model.weight, weights)
        slow.set()
        run.checkpoints.save(2, State(text="two"))  # waits for the one before
        assert run.names() == ["step-00000001"] and run.published == [1]
        again = Run(tmp_path)
        assert again.checkpoints.load(9) == (1, State(text="one"))
        assert torch.equal(again.model.weight, weights) and again.log.path.read_text() == "1\n"


def test_a_little_that_is_left_is_waited_for(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.checkpoints:
        run.train(1)
        run.checkpoints.save(1, State(text=""))
        run.checkpoints.settle(wait=False)
        assert run.names() == ["step-00000001"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    run = Run(tmp_path)
    with run.checkpoints:
        run.train(1)
        run.checkpoints.save(1, State(text="one"))
        run.checkpoints.settle(wait=True)
        with monkeypatch.context() as patch:
            put = Disk.put
            patch.setattr(Disk, "put", lambda disk, work, num_bytes=0: put(disk, full, num_bytes))
            run.train(2)
            run.checkpoints.save(2, State(text="two"))
            with pytest.raises(OSError, match="No space left"):
                run.checkpoints.settle(wait=True)
    assert run.names() == ["step-00000001"] and not (tmp_path / "writing").exists()
    assert Run(tmp_path).checkpoints.load(9) == (1, State(text="one"))


def test_a_kill_while_one_is_written_leaves_the_checkpoint_before(tmp_path: Path, slow: threading.Event) -> None:
    run = Run(tmp_path)
    slow.set()
    run.train(1)
    run.checkpoints.save(1, State(text="one"))
    run.checkpoints.settle(wait=True)
    slow.clear()
    run.train(2)
    run.checkpoints.save(2, State(text="two"))  # and nothing more happens in this process
    assert Run(tmp_path).checkpoints.load(9) == (1, State(text="one"))
    slow.set()
