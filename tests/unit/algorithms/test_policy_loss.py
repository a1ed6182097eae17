import math
from itertools import product

import pytest
import torch

from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.policy_metrics import policy_means, policy_sums
from rilctl.reporting.registry import counts_of

from . import reference

CLIP = {"clip_low": 0.2, "clip_high": 0.2}
ASYMMETRIC = {"clip_low": 0.2, "clip_high": 0.1}
CHOICES = {
    "ratio_level": ("token", "sequence"),
    "kl_rows": ("student", "all"),
    "objective": ("clipped_ratio", "clipped_weight"),
    "loss_weighting": ("token", "row"),
}
OPTIONS = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]


def for_each(options: list[dict[str, str]]):
    return pytest.mark.parametrize("options", options, ids=lambda options: "-".join(options.values()))


ALL_OPTIONS = for_each(OPTIONS)
DIFFERENTIATED = for_each([options for options in OPTIONS if options["objective"] != "clipped_weight"])
"""Without the objective that has no gradient through its weight."""


def one_row(policy, frozen=None, ref=None, advantage=1.0, is_teacher=False, is_rewarded=True, **options):
    as_row = lambda values: None if values is None else torch.tensor([values], dtype=torch.float64)  # noqa: E731
    policy_BR = as_row(policy).requires_grad_()
    arguments = {**CLIP, "kl_beta": 0.0, "denominator": 1.0, **options}
    batch = (
        policy_BR,
        as_row(frozen),
        as_row(ref),
        torch.tensor([advantage], dtype=torch.float64),
        torch.ones(1, len(policy), dtype=torch.bool),
        torch.tensor([is_teacher]),
        torch.tensor([is_rewarded]),
    )
    loss = policy_loss(*batch, **arguments)
    loss.backward()
    return loss.item(), policy_BR.grad[0].tolist(), means(*batch, **arguments)


def means(*batch, **arguments):
    """The metrics of a batch, with the arguments of its loss."""
    options = (*CLIP, "ratio_level", "kl_rows", "objective", "weights_BR")
    sums = policy_sums(*batch, **{name: value for name, value in arguments.items() if name in options})
    return policy_means({name: value.item() for name, value in sums.items()}, counts_of("policy", sums))


def random_batch(num_rows=12, num_tokens=6, seed=3):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(num_rows, num_tokens, generator=generator, dtype=torch.float64)  # noqa: E731
    policy_BR = -2 * draw().abs()
    lengths_B = torch.randint(0, num_tokens + 1, (num_rows,), generator=generator)
    return {
        "policy_logprobs_BR": policy_BR,
        "frozen_logprobs_BR": policy_BR + 0.4 * draw(),
        "ref_logprobs_BR": policy_BR + 0.7 * draw(),
        "advantages_B": draw()[:, 0],
        "response_mask_BR": torch.arange(num_tokens) < lengths_B[:, None],
        "teacher_mask_B": torch.arange(num_rows) % 2 == 1,
        "rewarded_mask_B": torch.arange(num_rows) % 5 != 0,
    }


def reference_rows(batch) -> list[reference.Row]:
    rows = []
    for b, length in enumerate(batch["response_mask_BR"].sum(dim=1).tolist()):
        logprobs = [batch[f"{name}_logprobs_BR"][b, :length].tolist() for name in ("policy", "frozen", "ref")]
        flags = [bool(batch[name][b]) for name in ("teacher_mask_B", "rewarded_mask_B")]
        rows.append(reference.Row(*logprobs, batch["advantages_B"][b].item(), *flags))
    return rows


@pytest.mark.parametrize("is_teacher", [False, True])
def test_first_update_by_hand_is_advantage_weighted_likelihood(is_teacher):
    loss, grad, metrics = one_row([-1.0, -2.0], advantage=0.75, is_teacher=is_teacher, denominator=8.0)
    assert loss == pytest.approx(-0.75 * 2 / 8, rel=1e-15)
    assert grad == pytest.approx([-0.75 / 8] * 2, rel=1e-15)
    side = "teacher" if is_teacher else "student"
    assert metrics == {
        "num_student_tokens": 2 - 2 * is_teacher,
        "num_teacher_tokens": 2 * is_teacher,
        f"{side}_logprob": -1.5,
    }


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected_loss", "expected_grad", "clipped"),
    [
        (1.5, 1.0, -1.2, 0.0, 1.0),
        (1.5, -1.0, 1.5, 1.5, 0.0),
        (0.5, 1.0, -0.5, -0.5, 0.0),
        (0.5, -1.0, 0.8, 0.0, 1.0),
        (1.1, 2.0, -2.2, -2.2, 0.0),
    ],
)
def test_clipping_by_hand(ratio, advantage, expected_loss, expected_grad, clipped):
    loss, grad, metrics = one_row([-1.0], frozen=[-1.0 - math.log(ratio)], advantage=advantage)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert grad == pytest.approx([expected_grad], rel=1e-14)
    assert metrics["student_importance_ratio"] == pytest.approx(ratio, rel=1e-14)
    assert metrics["student_clip_fraction"] == clipped


def test_kl_by_hand():
    policy, ref = math.log(0.5), math.log(0.25)
    loss, grad, metrics = one_row([policy], ref=[ref], advantage=0.0, kl_beta=0.1)
    k3 = 0.5 - math.log(0.5) - 1
    assert loss == pytest.approx(0.1 * k3, rel=1e-14)
    assert grad == pytest.approx([0.1 * (1 - 0.5)], rel=1e-14)
    assert metrics["student_kl"] == pytest.approx(k3, rel=1e-14)


def test_teacher_rows_pay_no_kl_by_default_even_where_k3_overflows():
    loss, grad, metrics = one_row([-2000.0], ref=[-1.0], advantage=0.0, is_teacher=True, kl_beta=0.1)
    assert (loss, grad) == (0.0, [0.0])
    assert "teacher_kl" not in metrics
    loss, _, metrics = one_row([-2.0], ref=[-1.0], advantage=0.0, is_teacher=True, kl_beta=0.1, kl_rows="all")
    assert loss == pytest.approx(0.1 * (math.e - 2), rel=1e-14)
    assert metrics["teacher_kl"] == pytest.approx(math.e - 2, rel=1e-14)


def test_the_reference_of_a_row_that_pays_no_kl_is_not_read():
    loss, grad, _ = one_row([-2.0], ref=[math.nan], advantage=0.0, is_teacher=True, kl_beta=0.1)
    assert (loss, grad) == (0.0, [0.0])


def test_grpo_weighting_by_hand():
    loss, grad, _ = one_row([-1.0, -2.0, -3.0, -4.0], advantage=1.0, loss_weighting="row", denominator=2.0)
    assert loss == pytest.approx(-0.5, rel=1e-15)
    assert grad == pytest.approx([-1 / 8] * 4, rel=1e-15)


@pytest.mark.parametrize(
    ("ratio", "advantage", "weight", "clipped"),
    [(1.5, 1.0, 1.2, 1.0), (1.5, -1.0, 1.2, 1.0), (0.5, 1.0, 0.5, 0.0), (0.5, -1.0, 0.5, 0.0), (1.5, 0.0, 1.2, 0.0)],
)
def test_a_clipped_weight_by_hand_has_no_gradient_of_its_own(ratio, advantage, weight, clipped):
    """CISPO without a lower bound: no token is without a gradient, and none has more than the upper bound's."""
    frozen = [-3.0 - math.log(ratio)]
    options = {"objective": "clipped_weight", "clip_low": 1.0, "clip_high": 0.2, "denominator": 4.0}
    loss, grad, metrics = one_row([-3.0], frozen, advantage=advantage, **options)
    assert loss == pytest.approx(weight * advantage * 3.0 / 4, rel=1e-14)
    assert grad == pytest.approx([-weight * advantage / 4], rel=1e-14)
    assert metrics["student_clip_fraction"] == clipped


def test_a_sequence_of_gspo_by_hand():
    """Log-ratios 0.2, -0.1 and 0.05: the sequence's ratio is exp(0.05), and each token has a third of its gradient."""
    options = {"ratio_level": "sequence", "loss_weighting": "row", "denominator": 2.0}
    policy, frozen = [-1.0, -2.0, -3.0], [-1.2, -1.9, -3.05]
    loss, grad, metrics = one_row(policy, frozen, advantage=2.0, clip_low=3e-4, clip_high=0.06, **options)
    ratio = math.exp(0.05)
    assert loss == pytest.approx(-ratio * 2.0 / 2, rel=1e-13)
    assert grad == pytest.approx([-ratio * 2.0 / 3 / 2] * 3, rel=1e-13)
    assert metrics["student_clip_fraction"] == 0
    loss, grad, metrics = one_row(policy, frozen, advantage=2.0, clip_low=3e-4, clip_high=4e-4, **options)
    assert (loss, grad) == (pytest.approx(-1.0004, rel=1e-13), [0.0] * 3)
    assert metrics["student_clip_fraction"] == 1


@pytest.mark.parametrize(("ratio", "clipped"), [(1.25, 0.0), (1.3, 1.0), (0.75, 0.0)])
def test_clip_higher_by_hand(ratio, clipped):
    loss, _, metrics = one_row([-1.0], [-1.0 - math.log(ratio)], advantage=1.0, clip_high=0.28)
    assert loss == pytest.approx(-min(ratio, 1.28), rel=1e-14)
    assert metrics["student_clip_fraction"] == clipped


def test_no_verdict_by_hand():
    loss, grad, metrics = one_row([-1.0], [-9.0], [-3.0], advantage=7.0, is_rewarded=False, kl_beta=0.5)
    assert (loss, grad) == (0.0, [0.0])
    assert metrics == {"num_student_tokens": 0, "num_teacher_tokens": 0}


@ALL_OPTIONS
def test_equals_the_reference(options):
    batch = random_batch()
    arguments = {**ASYMMETRIC, "kl_beta": 0.3, "denominator": 37.0, **options}
    loss = policy_loss(**batch, **arguments)
    assert loss.item() == pytest.approx(reference.policy_loss(reference_rows(batch), **arguments), rel=1e-12, abs=1e-12)


@DIFFERENTIATED
def test_gradient(options):
    batch = random_batch()
    policy_BR = batch.pop("policy_logprobs_BR").requires_grad_()
    function = lambda x: policy_loss(x, **batch, **CLIP, kl_beta=0.3, denominator=9.0, **options)  # noqa: E731
    assert torch.autograd.gradcheck(function, policy_BR)


@pytest.mark.parametrize("objective", CHOICES["objective"])
def test_metrics_equal_the_reference(objective):
    batch = random_batch()
    metrics = means(*batch.values(), **ASYMMETRIC, kl_rows="all", objective=objective)
    rows = [row for row in reference_rows(batch) if row.is_rewarded]
    for side in ("student", "teacher"):
        tokens = [
            (policy, math.exp(policy - frozen), math.exp(ref - policy) - (ref - policy) - 1, row.advantage)
            for row in rows
            if row.is_teacher == (side == "teacher")
            for policy, frozen, ref in zip(row.policy, row.frozen, row.ref, strict=True)
        ]
        cut = [(r > 1.1, r < 0.8, a) for _, r, _, a in tokens]
        if objective == "clipped_weight":
            clipped = [is_high or is_low for is_high, is_low, _ in cut]
        else:
            clipped = [is_high if a > 0 else is_low for is_high, is_low, a in cut]
        assert 0 < sum(clipped) < len(clipped)
        mean = lambda values: math.fsum(values) / len(values)  # noqa: E731
        assert metrics[f"num_{side}_tokens"] == len(tokens)
        assert metrics[f"{side}_logprob"] == pytest.approx(mean([t[0] for t in tokens]), rel=1e-12)
        assert metrics[f"{side}_importance_ratio"] == pytest.approx(mean([t[1] for t in tokens]), rel=1e-12)
        assert metrics[f"{side}_kl"] == pytest.approx(mean([t[2] for t in tokens]), rel=1e-12)
        assert metrics[f"{side}_clip_fraction"] == pytest.approx(mean(clipped), rel=1e-12)


def test_every_row_stays_in_the_graph():
    batch = random_batch()
    batch["policy_logprobs_BR"].requires_grad_()
    batch["rewarded_mask_B"][:] = False
    policy_loss(**batch, **CLIP, kl_beta=0.3, denominator=1.0).backward()
    assert batch["policy_logprobs_BR"].grad.eq(0).all()
    assert not any(value.requires_grad for value in policy_sums(**batch, **CLIP).values())


@ALL_OPTIONS
def test_no_rows_are_a_loss_of_0_that_is_in_the_graph(options):
    batch = {name: values[:0] for name, values in random_batch().items()}
    batch["policy_logprobs_BR"].requires_grad_()
    loss = policy_loss(**batch, **CLIP, kl_beta=0.3, denominator=1.0, **options)
    loss.backward()
    assert loss.item() == 0 and batch["policy_logprobs_BR"].grad.shape == (0, 6)
    assert means(*batch.values(), **CLIP) == {"num_student_tokens": 0, "num_teacher_tokens": 0}


@ALL_OPTIONS
def test_which_sums_there_are_does_not_depend_on_the_rows(options):
    batch, own = random_batch(), {name: options[name] for name in ("ratio_level", "kl_rows")}
    teachers = {name: values[1::2] for name, values in batch.items()}
    assert policy_sums(**teachers, **CLIP, **own).keys() == policy_sums(**batch, **CLIP, **own).keys()


def test_bad_arguments():
    with pytest.raises(ValueError, match="denominator"):
        one_row([-1.0], denominator=0.0)
    with pytest.raises(ValueError, match="ref_logprobs"):
        one_row([-1.0], kl_beta=0.1)
