"""What must hold for the paper's functions whatever the numbers are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.disc_loss import DISC_LOSSES, count_pairs
from rilctl.algorithms.disc_metrics import disc_metrics, length_only_accuracy
from rilctl.algorithms.head import Head
from rilctl.algorithms.logprobs import token_logprobs
from rilctl.algorithms.policy_loss import policy_loss
from rilctl.algorithms.policy_metrics import policy_sums
from rilctl.algorithms.rewards import MaskedRewards, combine_rewards, similarity_rewards
from rilctl.algorithms.sampler_weights import sampler_metrics, sampler_weights
from rilctl.algorithms.statistics import mean_interval, paired_difference, wilson_interval

EXACT = {"rtol": 1e-12, "atol": 1e-12}
CLIP = {"clip_low": 0.2, "clip_high": 0.2}
SEEDS = st.integers(0, 2**32)
POLICY_OPTIONS = st.fixed_dictionaries(
    {
        "ratio_level": st.sampled_from(["token", "sequence"]),
        "kl_rows": st.sampled_from(["student", "all"]),
        "objective": st.sampled_from(["clipped_ratio", "clipped_weight"]),
        "loss_weighting": st.sampled_from(["token", "row"]),
        "clip_low": st.sampled_from([3e-4, 0.2, 1.0]),
        "clip_high": st.sampled_from([4e-4, 0.28, 4.0]),
    }
)


def always(*strategies):
    """`given`, with settings that make a run repeatable and don't time the first call of torch."""
    return lambda test: settings(deadline=None, max_examples=60, derandomize=True)(given(*strategies)(test))


def policy_batch(seed, num_rows=10, num_tokens=5):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(num_rows, num_tokens, generator=generator, dtype=torch.float64)  # noqa: E731
    policy_BR = -2 * draw().abs()
    return {
        "policy_logprobs_BR": policy_BR,
        "frozen_logprobs_BR": policy_BR + 0.4 * draw(),
        "ref_logprobs_BR": policy_BR + 0.7 * draw(),
        "advantages_B": draw()[:, 0],
        "response_mask_BR": torch.rand(num_rows, num_tokens, generator=generator) < 0.7,
        "teacher_mask_B": torch.rand(num_rows, generator=generator) < 0.5,
        "rewarded_mask_B": torch.rand(num_rows, generator=generator) < 0.7,
    }


def loss_and_grad(batch, **options):
    """The loss, its gradient, and the sums that are logged."""
    policy_BR = batch["policy_logprobs_BR"].clone().requires_grad_()
    batch = {**batch, "policy_logprobs_BR": policy_BR}
    loss = policy_loss(**batch, **{**CLIP, "kl_beta": 0.3, "denominator": 13.0, **options})
    loss.backward()
    shared = (*CLIP, "ratio_level", "kl_rows", "objective", "weights_BR")
    own = {name: value for name, value in options.items() if name in shared}
    return loss.detach(), policy_BR.grad, policy_sums(**batch, **CLIP | own)


@always(SEEDS, POLICY_OPTIONS, st.integers(1, 9))
def test_policy_accumulation_equals_one_batch(seed, options, cut):
    batch = policy_batch(seed)
    loss, grad_BR, metrics = loss_and_grad(batch, **options)
    parts = [
        loss_and_grad({k: v[part] for k, v in batch.items()}, **options) for part in (slice(0, cut), slice(cut, 10))
    ]
    torch.testing.assert_close(parts[0][0] + parts[1][0], loss, **EXACT)
    torch.testing.assert_close(torch.cat([part[1] for part in parts]), grad_BR, **EXACT)
    torch.testing.assert_close({name: parts[0][2][name] + parts[1][2][name] for name in metrics}, metrics, **EXACT)


@always(SEEDS, POLICY_OPTIONS)
def test_policy_rows_may_come_in_any_order(seed, options):
    batch, order = policy_batch(seed), torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    loss, grad_BR, metrics = loss_and_grad(batch, **options)
    permuted = loss_and_grad({name: value[order] for name, value in batch.items()}, **options)
    torch.testing.assert_close(permuted[0], loss, **EXACT)
    torch.testing.assert_close(permuted[1], grad_BR[order], **EXACT)
    torch.testing.assert_close(permuted[2], metrics, **EXACT)


@always(SEEDS, POLICY_OPTIONS, st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -3.0]))
def test_policy_never_reads_what_is_masked_or_without_a_verdict(seed, options, junk):
    batch = policy_batch(seed)
    unread_BR = ~(batch["response_mask_BR"] & batch["rewarded_mask_B"][:, None])
    spoiled = {
        k: v.masked_fill(unread_BR, junk) if k.endswith("_BR") and v.is_floating_point() else v
        for k, v in batch.items()
    }
    spoiled["advantages_B"] = batch["advantages_B"].masked_fill(~batch["rewarded_mask_B"], junk)
    clean, dirty = loss_and_grad(batch, **options), loss_and_grad(spoiled, **options)
    torch.testing.assert_close(dirty, clean, rtol=0, atol=0)
    assert dirty[1][unread_BR].eq(0).all()


@always(SEEDS, POLICY_OPTIONS, st.integers(1, 4), st.booleans())
def test_policy_padding_changes_nothing(seed, options, width, on_the_left):
    batch = policy_batch(seed)
    padding = (width, 0) if on_the_left else (0, width)
    wide = {k: torch.nn.functional.pad(v, padding) if k.endswith("_BR") else v for k, v in batch.items()}
    loss, grad_BR, metrics = loss_and_grad(batch, **options)
    padded = loss_and_grad(wide, **options)
    torch.testing.assert_close(padded[0], loss, **EXACT)
    torch.testing.assert_close(padded[1], torch.nn.functional.pad(grad_BR, padding), **EXACT)
    torch.testing.assert_close(padded[2], metrics, **EXACT)


@always(SEEDS, st.sampled_from(["token", "sequence"]), st.sampled_from(["clipped_ratio", "clipped_weight"]))
def test_policy_first_update_is_advantage_times_gradient_for_every_row(seed, ratio_level, objective):
    batch = policy_batch(seed) | {"frozen_logprobs_BR": None}
    _, grad_BR, _ = loss_and_grad(batch, kl_beta=0.0, ratio_level=ratio_level, objective=objective)
    counts_BR = batch["response_mask_BR"] & batch["rewarded_mask_B"][:, None]
    torch.testing.assert_close(grad_BR, -batch["advantages_B"][:, None] * counts_BR / 13.0, **EXACT)


@always(SEEDS, POLICY_OPTIONS)
def test_policy_frozen_at_the_policy_is_the_first_update(seed, options):
    batch = policy_batch(seed)
    first = loss_and_grad(batch | {"frozen_logprobs_BR": None}, **options)
    same = loss_and_grad(batch | {"frozen_logprobs_BR": batch["policy_logprobs_BR"]}, **options)
    torch.testing.assert_close(same[:2], first[:2], **EXACT)


@always(SEEDS, POLICY_OPTIONS)
def test_policy_kl_is_never_negative_and_zero_at_the_reference(seed, options):
    batch = policy_batch(seed)
    batch["advantages_B"].zero_()
    assert loss_and_grad(batch, **options)[0] >= 0
    loss, grad_BR, _ = loss_and_grad(batch | {"ref_logprobs_BR": batch["policy_logprobs_BR"]}, **options)
    assert loss == 0
    assert grad_BR.abs().max() <= 1e-15


CORRECTIONS = st.fixed_dictionaries(
    {
        "level": st.sampled_from(["token", "sequence"]),
        "mode": st.sampled_from(["truncate", "mask"]),
        "cap": st.floats(0.5, 4.0),
    }
)


def sampled(seed, num_rows=8, num_tokens=5):
    batch = policy_batch(seed, num_rows, num_tokens)
    return (
        batch["policy_logprobs_BR"],
        batch["frozen_logprobs_BR"],
        batch["response_mask_BR"],
        ~batch["teacher_mask_B"],
    )


def weights_and_means(policy_BR, sampler_BR, mask_BR, student_B, options):
    """Weights, and the means over student tokens that are logged; none where there is no such token."""
    weights_BR = sampler_weights(policy_BR, sampler_BR, mask_BR, student_B, **options)
    logged = {"level": options["level"], "cap": options["cap"]}
    values = sampler_metrics(policy_BR, sampler_BR, mask_BR, student_B, weights_BR, **logged)
    counts_BR = mask_BR & student_B[:, None]
    means = {name: values_BR[counts_BR].double().mean() for name, values_BR in values.items()}
    return weights_BR, means if counts_BR.any() else {}


@always(SEEDS, CORRECTIONS)
def test_sampler_weights_are_bounded_and_exactly_1_off_student_tokens(seed, options):
    policy_BR, sampler_BR, mask_BR, student_B = sampled(seed)
    weights_BR, means = weights_and_means(policy_BR, sampler_BR, mask_BR, student_B, options)
    counts_BR = mask_BR & student_B[:, None]
    assert (weights_BR[~counts_BR] == 1).all()
    assert (weights_BR >= 0).all() and (weights_BR[counts_BR] <= options["cap"]).all()
    if counts_BR.any():
        assert means["mismatch_kl"] >= 0 and 0 <= means["cut_share"] <= 1
        assert means["weight"] ** 2 <= means["squared_weight"] * (1 + 1e-12)


@always(SEEDS, CORRECTIONS)
def test_sampler_weights_are_1_where_both_agree(seed, options):
    policy_BR, _, mask_BR, student_B = sampled(seed)
    options |= {"cap": 1.5}
    weights_BR, means = weights_and_means(policy_BR, policy_BR.clone(), mask_BR, student_B, options)
    assert (weights_BR == 1).all()
    assert not means or (means["mismatch_kl"] == 0 and means["cut_share"] == 0)


@always(SEEDS, CORRECTIONS, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_sampler_weights_never_read_what_no_engine_sampled(seed, options, junk):
    policy_BR, sampler_BR, mask_BR, student_B = sampled(seed)
    expected = weights_and_means(policy_BR, sampler_BR, mask_BR, student_B, options)
    hidden_BR = ~(mask_BR & student_B[:, None])
    spoiled = (policy_BR.masked_fill(hidden_BR, junk), sampler_BR.masked_fill(hidden_BR, junk))
    torch.testing.assert_close(weights_and_means(*spoiled, mask_BR, student_B, options), expected, **EXACT)


@always(SEEDS)
def test_weights_scale_the_objective_and_leave_the_kl_alone(seed):
    batch = policy_batch(seed)
    without_kl = loss_and_grad(batch, kl_beta=0.0)
    of_kl = loss_and_grad(batch | {"advantages_B": torch.zeros(10, dtype=torch.float64)})
    twice = loss_and_grad(batch | {"weights_BR": torch.full((10, 5), 2.0, dtype=torch.float64)})
    torch.testing.assert_close(twice[1], 2 * without_kl[1] + of_kl[1], **EXACT)


def reward_batch(seed, num_groups=6, group_size=5):
    generator = torch.Generator().manual_seed(seed)
    rewards_BG = torch.randint(0, 3, (num_groups, group_size), generator=generator).double()
    return rewards_BG, torch.rand(num_groups, group_size, generator=generator) < 0.7


@always(SEEDS, st.sampled_from(list(ADVANTAGES)), st.floats(-100, 100), st.permutations(range(5)))
def test_advantages_ignore_shifts_and_follow_permutations(seed, name, shift, order):
    rewards_BG, mask_BG = reward_batch(seed)
    advantages_BG, skipped_B = ADVANTAGES[name](rewards_BG, mask_BG)
    shifted_BG, _ = ADVANTAGES[name](rewards_BG + shift, mask_BG)
    # a shift by 100 costs two of float64's sixteen digits, and GRPO divides by no less than 1e-4
    torch.testing.assert_close(shifted_BG, advantages_BG, rtol=1e-9, atol=1e-9)
    permuted_BG, permuted_skipped_B = ADVANTAGES[name](rewards_BG[:, order], mask_BG[:, order])
    torch.testing.assert_close(permuted_BG, advantages_BG[:, order], **EXACT)
    assert permuted_skipped_B.equal(skipped_B)


@always(SEEDS, st.sampled_from(list(ADVANTAGES)))
def test_advantages_sum_to_zero_and_never_read_what_has_no_reward(seed, name):
    rewards_BG, mask_BG = reward_batch(seed)
    advantages_BG, skipped_B = ADVANTAGES[name](rewards_BG, mask_BG)
    torch.testing.assert_close(advantages_BG.sum(dim=1), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-10)
    assert advantages_BG[~mask_BG | skipped_B[:, None]].eq(0).all()
    assert skipped_B.equal(mask_BG.sum(dim=1) < 2)
    spoiled_BG, _ = ADVANTAGES[name](rewards_BG.masked_fill(~mask_BG, math.nan), mask_BG)
    assert spoiled_BG.equal(advantages_BG)
    ragged_BG, _ = ADVANTAGES[name](
        torch.nn.functional.pad(rewards_BG, (0, 3)), torch.nn.functional.pad(mask_BG, (0, 3))
    )
    torch.testing.assert_close(ragged_BG[:, :5], advantages_BG, **EXACT)


@always(SEEDS, st.booleans(), st.booleans(), st.floats(-50, 50))
def test_similarity_rewards(seed, logits_have_zero, is_graded, shift):
    generator = torch.Generator().manual_seed(seed)
    logits_BG = torch.randint(-8, 9, (6, 5), generator=generator).double() / 4
    rows_BG, teachers_BG = (torch.rand(6, 5, generator=generator) < share for share in (0.8, 0.5))
    own = {"logits_have_zero": logits_have_zero, "is_graded": is_graded}
    rewards_BG, mask_BG = similarity_rewards(logits_BG, rows_BG, teachers_BG, **own)
    assert rewards_BG[~mask_BG].eq(0).all()
    assert ((rewards_BG >= 0) & (rewards_BG <= 1)).all()
    assert is_graded or ((rewards_BG == 0) | (rewards_BG == 1)).all()
    lower_BG, _ = similarity_rewards(logits_BG - 0.1 * ~teachers_BG, rows_BG, teachers_BG, **own)
    assert (lower_BG >= rewards_BG).all()
    if not logits_have_zero:
        moved_BG = logits_BG + round(shift * 4) / 4
        assert similarity_rewards(moved_BG, rows_BG, teachers_BG, **own).rewards_BG.equal(rewards_BG)


@always(SEEDS)
def test_ril_is_the_sum_of_its_parts(seed):
    similarity, answer = (MaskedRewards((r > 1).double(), m) for r, m in (reward_batch(seed), reward_batch(seed + 1)))
    parts = {"similarity": similarity, "answer": answer}
    total = combine_rewards(parts, {"similarity": 1.0, "answer": 1.0})
    assert total.rewarded_mask_BG.equal(similarity.rewarded_mask_BG & answer.rewarded_mask_BG)
    alone = [combine_rewards({name: part}, {name: 1.0}).rewards_BG for name, part in parts.items()]
    assert total.rewards_BG.equal((alone[0] + alone[1]) * total.rewarded_mask_BG)


@always(SEEDS, st.floats(0.01, 100.0))
def test_scaling_all_weights_scales_dr_grpos_advantages(seed, factor):
    parts = {
        name: MaskedRewards(*reward_batch(seed + at)) for at, name in enumerate(("similarity", "answer", "length"))
    }
    weights = {"similarity": 0.25, "answer": 1.0, "length": 0.5}
    one = combine_rewards(parts, weights)
    scaled = combine_rewards(parts, {name: factor * weight for name, weight in weights.items()})
    assert scaled.rewarded_mask_BG.equal(one.rewarded_mask_BG)
    advantages_BG, scaled_BG = (ADVANTAGES["dr_grpo"](*rewards)[0] for rewards in (one, scaled))
    torch.testing.assert_close(scaled_BG, factor * advantages_BG, **EXACT)


def disc_batch(seed, num_rows=16):
    generator = torch.Generator().manual_seed(seed)
    logits_B = 3 * torch.randn(num_rows, generator=generator, dtype=torch.float64)
    labels_B = (torch.arange(num_rows) % 2).double()
    return logits_B, labels_B, torch.randint(4, (num_rows,), generator=generator).sort().values


@always(SEEDS, st.sampled_from(list(DISC_LOSSES)))
def test_disc_accumulation_equals_one_batch(seed, name):
    logits_B, labels_B, groups_B = disc_batch(seed)
    counts = {"num_students": 8, "num_teachers": 8, "num_pairs": max(1, count_pairs(labels_B, groups_B))}
    cut = int((groups_B < 2).sum())
    logits_B.requires_grad_()
    parts = [
        DISC_LOSSES[name](logits_B[part], labels_B[part], groups_B[part], **counts)
        for part in (slice(0, cut), slice(cut, 16))
    ]
    whole = DISC_LOSSES[name](logits_B, labels_B, groups_B, **counts)
    torch.testing.assert_close(parts[0] + parts[1], whole, **EXACT)
    grads = [torch.autograd.grad(loss, logits_B)[0] for loss in (parts[0] + parts[1], whole)]
    torch.testing.assert_close(*grads, **EXACT)
    assert (grads[1] * (labels_B - 0.5) <= 0).all()


@always(SEEDS, st.permutations(range(16)), st.floats(-20, 20))
def test_disc_losses_follow_their_symmetries(seed, order, shift):
    logits_B, labels_B, groups_B = disc_batch(seed)
    counts = {"num_students": 8, "num_teachers": 8, "num_pairs": max(1, count_pairs(labels_B, groups_B))}
    for loss_function in DISC_LOSSES.values():
        loss = loss_function(logits_B, labels_B, groups_B, **counts)
        permuted = loss_function(logits_B[order], labels_B[order], groups_B[order], **counts)
        torch.testing.assert_close(permuted, loss, **EXACT)
        mirrored = loss_function(-logits_B, 1 - labels_B, groups_B, **counts)
        torch.testing.assert_close(mirrored, loss, **EXACT)
    loss = DISC_LOSSES["bradley-terry"](logits_B, labels_B, groups_B, **counts)
    shifted = DISC_LOSSES["bradley-terry"](logits_B + shift * groups_B, labels_B, groups_B, **counts)
    torch.testing.assert_close(shifted, loss, **EXACT)


@always(SEEDS)
def test_disc_metrics_follow_their_symmetries(seed):
    logits_B, labels_B, _ = disc_batch(seed)
    metrics, mirrored = disc_metrics(logits_B, labels_B), disc_metrics(-logits_B, 1 - labels_B)
    assert mirrored["student_accuracy"] == metrics["teacher_accuracy"]
    for name in ("auc", "margin", "balanced_accuracy", "calibration_error", "saturation"):
        assert mirrored[name] == pytest.approx(metrics[name], rel=1e-12, abs=1e-12)
    assert disc_metrics(-logits_B, labels_B)["auc"] == pytest.approx(1 - metrics["auc"], rel=1e-12, abs=1e-12)
    lengths_B = (10 * logits_B).round().long()
    assert 0.5 <= length_only_accuracy(lengths_B, labels_B) <= 1
    assert length_only_accuracy(3 * lengths_B + 7, labels_B) == length_only_accuracy(lengths_B, labels_B)


@always(SEEDS, st.floats(0.2, 3), st.floats(-30, 30), st.booleans())
def test_logprobs_are_a_distribution_that_ignores_shifts(seed, temperature, shift, with_bans):
    generator = torch.Generator().manual_seed(seed)
    logits_TV = 3 * torch.randn(1, 6, generator=generator, dtype=torch.float64).expand(6, 6)
    banned = torch.tensor([0, 3]) if with_bans else None
    head = Head(torch.eye(6, dtype=torch.float64), temperature, banned)
    logprobs_T, entropy_T = token_logprobs(logits_TV, torch.arange(6), head)
    assert logprobs_T.exp().sum().item() == pytest.approx(1.0, rel=1e-12)
    shifted_T, _ = token_logprobs(logits_TV + shift, torch.arange(6), head)
    torch.testing.assert_close(shifted_T, logprobs_T, **EXACT)
    assert 0 <= entropy_T[0] <= math.log(4 if with_bans else 6) + 1e-12
    assert entropy_T[0].item() == pytest.approx(torch.special.entr(logprobs_T.exp()).sum().item(), rel=1e-9, abs=1e-12)


@always(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_interval_holds_its_estimate(num_questions, share, confidence):
    num_correct = round(share * num_questions)
    estimate, low, high = wilson_interval(num_correct, num_questions, confidence)
    assert 0 <= low <= estimate <= high <= 1
    assert low < high
    mirrored = wilson_interval(num_questions - num_correct, num_questions, confidence)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - high, 1 - low), rel=1e-12, abs=1e-12)


@always(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_paired_difference_is_antisymmetric(pairs):
    correct_a, correct_b = zip(*pairs, strict=True)
    there, back = paired_difference(correct_a, correct_b), paired_difference(correct_b, correct_a)
    assert back == pytest.approx((-there.estimate, -there.high, -there.low), rel=1e-12, abs=1e-12)
    assert -1 <= there.low <= there.estimate <= there.high <= 1


@always(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(-5, 5))
def test_mean_interval_moves_with_its_values(values, shift):
    interval, shifted = mean_interval(values), mean_interval([value + shift for value in values])
    assert shifted == pytest.approx([bound + shift for bound in interval], rel=1e-9, abs=1e-9)
    assert interval.low <= interval.estimate <= interval.high
