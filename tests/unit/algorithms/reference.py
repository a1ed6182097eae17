"""The same definitions once more, slowly: plain Python floats, one row and one token at a time, no tensor.

Written from the papers' formulas, not from the code under test. A row or reward that is absent is None or is left out;
there are no masks here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


def token_logprob(logits: Sequence[float], token: int, temperature: float, banned: Sequence[int]) -> float:
    if token in banned:
        return -math.inf
    weights = {i: math.exp((z - max(logits)) / temperature) for i, z in enumerate(logits) if i not in banned}
    return math.log(weights[token] / math.fsum(weights.values()))


def entropy(logits: Sequence[float], temperature: float, banned: Sequence[int]) -> float:
    allowed = [i for i in range(len(logits)) if i not in banned]
    logprobs = [token_logprob(logits, i, temperature, banned) for i in allowed]
    return -math.fsum(math.exp(lp) * lp for lp in logprobs)


def advantages(rewards: Sequence[float | None], algorithm: str) -> tuple[list[float], bool]:
    """Advantages of one group, None for no verdict, and whether the group is skipped."""
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2:
        return [0.0] * len(rewards), True
    mean = math.fsum(known) / len(known)
    scale = 1.0
    if algorithm == "grpo":
        scale = math.sqrt(math.fsum((r - mean) ** 2 for r in known) / (len(known) - 1)) + 1e-4
    return [0.0 if reward is None else (reward - mean) / scale for reward in rewards], False


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


@dataclass
class Row:
    """One response: log-probabilities of its own tokens only."""

    policy: list[float]
    frozen: list[float]
    ref: list[float]
    advantage: float
    is_teacher: bool
    is_rewarded: bool


def policy_loss(
    rows: Sequence[Row],
    *,
    clip_low: float,
    clip_high: float,
    kl_beta: float,
    denominator: float,
    ratio_level: str,
    kl_rows: str,
    objective: str,
    loss_weighting: str,
) -> float:
    total = 0.0
    for row in rows:
        if not row.is_rewarded or not row.policy:
            continue
        log_ratios = [p - f for p, f in zip(row.policy, row.frozen, strict=True)]
        total_of_row = 0.0
        for token, (policy, ref) in enumerate(zip(row.policy, row.ref, strict=True)):
            log_ratio = log_ratios[token] if ratio_level == "token" else math.fsum(log_ratios) / len(log_ratios)
            ratio = math.exp(log_ratio)
            clipped = min(max(ratio, 1 - clip_low), 1 + clip_high)
            if objective == "clipped_weight":
                total_of_row += clipped * row.advantage * policy
            else:
                total_of_row += min(ratio * row.advantage, clipped * row.advantage)
            if not row.is_teacher or kl_rows == "all":
                total_of_row -= kl_beta * (math.exp(ref - policy) - (ref - policy) - 1)
        total += total_of_row / (len(row.policy) if loss_weighting == "row" else 1)
    return -total / denominator


def sampler_weights(
    policy: Sequence[float], sampler: Sequence[float], *, level: str, mode: str, cap: float
) -> tuple[list[float], list[bool]]:
    """Weights of one student row's tokens, and which of them were cut."""
    ratios = [math.exp(p) / math.exp(s) for p, s in zip(policy, sampler, strict=True)]
    if level == "sequence":
        ratios = [math.prod(ratios)] * len(ratios)
    above = cap if mode == "truncate" else 0.0
    return [above if ratio > cap else ratio for ratio in ratios], [ratio > cap for ratio in ratios]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


def bce_loss(students: Sequence[float], teachers: Sequence[float]) -> float:
    student_term = math.fsum(-log_sigmoid(z) for z in students) / len(students)
    return student_term + math.fsum(-log_sigmoid(-z) for z in teachers) / len(teachers)


def bradley_terry_loss(groups: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    terms = [-log_sigmoid(s - t) for students, teachers in groups for s in students for t in teachers]
    return math.fsum(terms) / len(terms)


def auc(students: Sequence[float], teachers: Sequence[float]) -> float:
    wins = [1.0 if s > t else 0.5 if s == t else 0.0 for s in students for t in teachers]
    return math.fsum(wins) / len(wins)


def calibration_error(students: Sequence[float], teachers: Sequence[float]) -> float:
    rows = [(math.exp(log_sigmoid(z)), 1.0) for z in students] + [(math.exp(log_sigmoid(z)), 0.0) for z in teachers]
    error = 0.0
    for k in range(15):
        members = [row for row in rows if min(int(row[0] * 15), 14) == k]
        if members:
            mean_disc = math.fsum(d for d, _ in members) / len(members)
            share = math.fsum(label for _, label in members) / len(members)
            error += len(members) / len(rows) * abs(mean_disc - share)
    return error


def length_only_accuracy(
    fit: tuple[Sequence[int], Sequence[int]], evaluation: tuple[Sequence[int], Sequence[int]]
) -> float:
    """Each argument: lengths of the students, lengths of the teachers."""

    def accuracy(sides: tuple[Sequence[int], Sequence[int]], threshold: float, students_are_longer: bool) -> float:
        students, teachers = sides
        right_students = sum((n > threshold) == students_are_longer for n in students) / len(students)
        return (right_students + sum((n > threshold) != students_are_longer for n in teachers) / len(teachers)) / 2

    lengths = sorted({*fit[0], *fit[1]})
    rules = [
        (t, longer) for t in [(a + b) / 2 for a, b in pairwise(lengths)] + [lengths[-1]] for longer in (True, False)
    ]
    best = max(rules, key=lambda rule: (round(accuracy(fit, *rule), 12), -rule[0], rule[1]))
    return accuracy(evaluation, *best)


def wilson_bound(num_correct: int, num_questions: int, z: float, upper: bool) -> float:
    """Root p of |num_correct / n - p| = z sqrt(p (1 - p) / n) above or below the estimate, by bisection."""
    share = num_correct / num_questions
    inside, outside = share, 1.0 if upper else 0.0
    for _ in range(200):
        p = (inside + outside) / 2
        if abs(share - p) <= z * math.sqrt(p * (1 - p) / num_questions):
            inside = p
        else:
            outside = p
    return inside


def reverse_kl(logits: Sequence[float], teacher: Sequence[float], temperature: float, banned: Sequence[int]) -> float:
    """Of one token, over the ids that both have and that aren't banned."""
    allowed = [i for i in range(min(len(logits), len(teacher))) if i not in banned]
    total = []
    for i in allowed:
        log_p, log_q = (token_logprob(each, i, temperature, banned) for each in (logits, teacher))
        total.append(math.exp(log_p) * (log_p - log_q))
    return math.fsum(total)
