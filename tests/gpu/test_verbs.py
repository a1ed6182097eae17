"""The verbs on a GPU: stop and resume, turns on the device, bfloat16."""

import gc
import math
from pathlib import Path

import pytest
import torch

from rilctl.errors import InterruptedByUser
from rilctl.reporting.metrics import read_metrics
from rilctl.testing.stages import StopsAfter, run_stage, write_trainable_workspace

NO_WORKERS = "engine.num_workers=0"
SLOW = tuple(f"train.{part}optim.lr=1e-5" for part in ("", "discriminator."))
"""Sums on a GPU come in any order; large steps would make much of it."""
TRAIN = ("train.num_steps=4", "train.validate_every=4", f"train.{NO_WORKERS}", *SLOW)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_workspace(tmp_path_factory.mktemp("workspace"), NO_WORKERS)


@pytest.fixture(scope="module")
def whole(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, float]], int]:
    """Metrics of a run that nothing interrupted, and its peak memory in bytes; not of the first run in this process,
    in which libraries take memory that they keep."""
    train(workspace, tmp_path_factory.mktemp("first"))
    return train(workspace, tmp_path_factory.mktemp("whole"))


def train(workspace: Path, out: Path, *overrides: str) -> tuple[list[dict[str, float]], int]:
    gc.collect()  # what an earlier run left
    before_bytes = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run_stage(workspace, "train", *TRAIN, *overrides, out=out)
    return read_metrics(out / "metrics.jsonl"), torch.cuda.max_memory_allocated() - before_bytes


def assert_alike(own: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    assert len(own) == len(expected)
    for ours, theirs in zip(own, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    workspace: Path, whole: tuple[list[dict[str, float]], int], tmp_path: Path
) -> None:
    impatient = StopsAfter(2)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *TRAIN, out=tmp_path / "out", reporter=impatient, stop=impatient.stop)
    assert len(read_metrics(tmp_path / "out" / "metrics.jsonl")) < len(whole[0])
    assert_alike(train(workspace, tmp_path / "out")[0], whole[0])


def test_taking_turns_on_the_device_takes_less_memory_and_changes_nothing(
    workspace: Path, whole: tuple[list[dict[str, float]], int], tmp_path: Path
) -> None:
    metrics, peak_bytes = train(workspace, tmp_path / "out", "train.take_turns=false")
    assert_alike(metrics, whole[0])
    assert whole[1] < peak_bytes


@pytest.mark.parametrize("lora", [(), ("{verb}.lora.rank=4",)], ids=["full", "lora"])
@pytest.mark.parametrize("verb", ["sft", "pretrain-disc"])
def test_bfloat16_steps_are_finite(verb: str, lora: tuple[str, ...], workspace: Path, tmp_path: Path) -> None:
    """Pictures are read ahead by as many processes as there are by default beside a GPU."""
    lora = tuple(override.format(verb=verb) for override in lora)
    run_stage(workspace, verb, "student.dtype=bfloat16", f"{verb}.num_steps=2", *lora, out=tmp_path / "out")
    rows = read_metrics(tmp_path / "out" / "metrics.jsonl")
    assert rows and all(math.isfinite(value) for row in rows for value in row.values())
    assert any(value > 0 for row in rows for name, value in row.items() if name.endswith("grad_norm"))
