"""A learning rate that breaks everything: the steps after the first are bad, are counted, and end the verb."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rilctl.artifacts.read import read_rows
from rilctl.errors import RilctlError
from rilctl.models.discriminator import Discriminator
from rilctl.reporting.metrics import MetricsRow, read_metrics
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.stages import run_stage, write_trainable_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trainable_workspace(tmp_path_factory.mktemp("workspace"))


def counts(out: Path, prefix: str) -> list[tuple[float | None, bool]]:
    """Of each step, `num_bad_steps` and whether there is a loss."""
    rows: list[MetricsRow] = read_metrics(out / "metrics.jsonl")
    return [(row.get(f"{prefix}/num_bad_steps"), f"{prefix}/loss" in row) for row in rows if row["step"]]


@pytest.mark.parametrize(
    ("verb", "optim", "who", "prefix"),
    [
        ("sft", "sft.optim", "student", "sft"),
        ("pretrain-disc", "pretrain-disc.optim", "discriminator", "disc"),
        ("train", "train.discriminator.optim", "discriminator", "disc"),
    ],
)
def test_so_many_in_a_row_end_it(workspace: Path, tmp_path: Path, verb: str, optim: str, who: str, prefix: str) -> None:
    sets = [f"{optim}.lr=1e30", f"{optim}.max_bad_steps=2", f"{verb}.checkpoint_every=1", f"{verb}.num_steps=6"]
    sets += [] if verb == "pretrain-disc" else [f"{verb}.validate_every=100"]
    with pytest.raises(RilctlError, match=f"{who}, optimizer step 3: the loss is (nan|inf), .* 2 in a row"):
        run_stage(workspace, verb, *sets, out=tmp_path)
    assert counts(tmp_path, prefix) == [(0.0, True), (1.0, False)]
    (checkpoint,) = (tmp_path / "resume").glob("step-*")  # of the step before, and loadable
    assert checkpoint.name == "step-00000002"
    for file in checkpoint.rglob("*.safetensors"):
        assert all(bool(tensor.isfinite().all()) for tensor in load_file(file).values())
    with pytest.raises(RilctlError, match=f"{who}, optimizer step 3"):  # goes on counting, and says it again
        run_stage(workspace, verb, *sets, out=tmp_path)


def test_a_policy_that_breaks_rejects_its_rollouts(workspace: Path, tmp_path: Path) -> None:
    """No garbage is sampled from it."""
    with pytest.raises(RilctlError, match="the model computes no finite logits"):
        run_stage(workspace, "train", "train.optim.lr=1e30", "train.num_steps=40", out=tmp_path)
    for row in read_metrics(tmp_path / "metrics.jsonl"):
        assert row.get("policy/num_bad_steps", 0.0) == 0.0


def test_a_row_without_a_finite_disc_logit_has_no_reward(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Discriminator.forward

    def sometimes_nan(self: Discriminator, rows: list) -> torch.Tensor:
        logits_N = forward(self, rows)
        bad = torch.tensor([math.nan if index % 3 == 0 else 0.0 for index in range(len(rows))])
        return logits_N + (bad if not logits_N.requires_grad else 0.0)

    monkeypatch.setattr(Discriminator, "forward", sometimes_nan)
    result = run_stage(workspace, "train", "train.num_steps=1", out=tmp_path)
    rows = list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))
    lost = [row for row in rows if row.disc_logit is None]
    assert 0 < len(lost) < len(rows)
    assert all(row.similarity_reward is None and row.reward is None and row.advantage == 0 for row in lost)
    assert all(row.similarity_reward is not None for row in rows if row not in lost)


def test_a_frozen_discriminator_without_any_finite_logit_ends_it(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Discriminator.forward
    monkeypatch.setattr(Discriminator, "forward", lambda self, rows: forward(self, rows) * math.inf)
    with pytest.raises(RilctlError, match="no finite logit for any row of a step, and `disc_updates` = 0"):
        run_stage(workspace, "train", "train.algorithm.disc_updates=0", out=tmp_path)
