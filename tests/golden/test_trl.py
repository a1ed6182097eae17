"""Our algorithms with answers alone are TRL 1.16's: values that its own trainer computed (`make_trl_golden.py`)."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.head import Head
from rilctl.algorithms.logprobs import token_logprobs
from rilctl.algorithms.loss_parts import DENOMINATORS, BatchSize
from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.policy_metrics import policy_means, policy_sums
from rilctl.config.algorithms import ALGORITHMS
from rilctl.reporting.registry import counts_of

GOLDEN = json.loads(Path(__file__).with_name("trl.json").read_text(encoding="utf-8"))
CASES = pytest.mark.parametrize(
    "case", GOLDEN["cases"], ids=lambda case: f"{case['algorithm']} {case['is_later_update']} {case['ours']}"
)
TOKEN_IDS_BR = torch.tensor(GOLDEN["token_ids"])
RESPONSE_MASK_BR = torch.tensor(GOLDEN["response_mask"]).bool()


def logits(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN[name], dtype=torch.float64)


def distribution(logits_BRV: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """logprobs_BR and entropy_BR; with an identity for a head, hidden states are logits."""
    head = Head(torch.eye(logits_BRV.shape[-1], dtype=logits_BRV.dtype), GOLDEN["temperature"])
    logprobs_T, entropy_T = token_logprobs(logits_BRV.flatten(0, 1), TOKEN_IDS_BR.flatten(), head)
    return logprobs_T.view_as(TOKEN_IDS_BR), entropy_T.view_as(TOKEN_IDS_BR)


def test_made_by_trl_1_16():
    assert GOLDEN["made_by"].startswith("trl 1.16.")


@CASES
def test_advantages(case):
    rewards_BG = torch.tensor([math.nan if r is None else r for r in GOLDEN["rewards"]]).view(-1, GOLDEN["group_size"])
    advantages_BG, skipped_B = ADVANTAGES[ALGORITHMS[case["algorithm"]].advantage](rewards_BG, ~rewards_BG.isnan())
    assert not skipped_B.any()
    expected_BG = torch.tensor(case["advantages"]).view_as(rewards_BG)
    torch.testing.assert_close(advantages_BG, expected_BG, rtol=1e-6, atol=1e-7)  # both are float32


@CASES
def test_loss_gradient_and_metrics(case):
    algorithm = dataclasses.replace(ALGORITHMS[case["algorithm"]], **case["ours"])
    logits_BRV = logits("logits").requires_grad_()
    num_rows = len(TOKEN_IDS_BR)
    batch = {
        "policy_logprobs_BR": distribution(logits_BRV)[0],
        "frozen_logprobs_BR": distribution(logits("frozen_logits"))[0] if case["is_later_update"] else None,
        "ref_logprobs_BR": distribution(logits("ref_logits"))[0] if algorithm.kl_beta else None,
        "advantages_B": torch.tensor(case["advantages"], dtype=torch.float64),
        "response_mask_BR": RESPONSE_MASK_BR,
        "teacher_mask_B": torch.zeros(num_rows, dtype=torch.bool),
        "rewarded_mask_B": torch.ones(num_rows, dtype=torch.bool),  # TRL's rows without a reward still pay KL
    }
    options = {key: getattr(algorithm, key) for key in ("clip_low", "clip_high", "ratio_level", "objective")}
    size = BatchSize(num_rows, int(RESPONSE_MASK_BR.sum()), GOLDEN["max_tokens"])
    loss = policy_loss(
        **batch,
        **options,
        kl_beta=algorithm.kl_beta,
        denominator=DENOMINATORS[algorithm.denominator](size),
        loss_weighting=algorithm.loss_weighting,
    )
    sums = {name: value.item() for name, value in policy_sums(**batch, **options).items()}
    metrics = policy_means(sums, counts_of("policy", sums))
    loss.backward()
    assert loss.item() == pytest.approx(case["loss"], rel=1e-12, abs=1e-12)
    torch.testing.assert_close(
        logits_BRV.grad, torch.tensor(case["grad_logits"], dtype=torch.float64), rtol=1e-12, atol=1e-12
    )
    # TRL averages what it logs in float32
    mean_entropy = distribution(logits_BRV)[1][RESPONSE_MASK_BR].mean().item()
    assert mean_entropy == pytest.approx(case["entropy"], rel=1e-6)
    if algorithm.kl_beta:
        assert metrics["student_kl"] == pytest.approx(case["kl"], rel=1e-6)
    if case["is_later_update"] and algorithm.ratio_level == "token" and case["clip_fraction"] is not None:
        # TRL counts responses where a response has one ratio, and of CISPO's weights those with an advantage > 0
        assert metrics["student_clip_fraction"] == pytest.approx(case["clip_fraction"], rel=1e-6)
    if (case["is_later_update"] and case["algorithm"] != "cispo") or "clip_high" in case["ours"]:
        assert 0 < metrics["student_clip_fraction"] < 1, "a bound that never acts is not tested"


def test_the_golden_has_each_algorithm_that_trl_has():
    """Those of rewards: TRL has no teacher rows and no discriminator."""
    assert {case["algorithm"] for case in GOLDEN["cases"]} == {
        name for name, record in ALGORITHMS.items() if record.teacher_rows == "off" and record.rewards
    }
