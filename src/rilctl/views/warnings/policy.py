"""Signs of the policy: how it writes, what it earns, whether there is anything to learn from."""

from functools import partial
from itertools import pairwise

from rilctl.views.warnings.sign import Seen, Series, Sign
from rilctl.views.warnings.smoothing import beginning, percent, ranges, smoothed, steps_where, together, turns

COLLAPSED_SHARE = 0.1
RUNAWAY = 2.0
BEYOND_TEACHER = 1.25
TRUNCATED = 0.2
NO_SIGNAL = 0.8
SWING, NUM_TURNS = 0.4, 4
SIMILARITY_UP, ANSWERS_DOWN = 0.2, 0.1
MISMATCH = 0.05
SPIKE, MANY_STEPS = 20.0, 20
_LEARNERS = {"policy": "policy", "disc": "discriminator", "sft": "student in SFT"}


def entropy_collapses(series: Series) -> Seen | None:
    """The policy's entropy, smoothed, below a tenth of what it began with."""
    points = series.get("policy/entropy", ())
    start = beginning(points)
    if start is None:
        return None
    steps = steps_where(smoothed(points), lambda value: value < COLLAPSED_SHARE * start)
    return _seen(steps, f"entropy began at {start:.3g} nats and is {points[-1][1]:.3g} in the end")


def length_runs_away(series: Series) -> Seen | None:
    """Responses twice as long as they began, longer than the teachers', and answers that are no better."""
    lengths, answers = series.get("response/mean_tokens", ()), series.get("reward/answer_student", ())
    start, right = beginning(lengths), beginning(answers)
    if start is None:
        return None
    teachers = beginning(series.get("response/mean_tokens_teacher", ()), 1) or 0.0
    bound = max(RUNAWAY * start, BEYOND_TEACHER * teachers)
    better = {step for step, value in smoothed(answers) if right is not None and value > right + 0.05}
    steps = tuple(step for step in steps_where(smoothed(lengths), lambda value: value > bound) if step not in better)
    return _seen(steps, f"{start:.1f} tokens in the beginning, {lengths[-1][1]:.1f} in the end, answers no better")


def answers_are_cut(series: Series) -> Seen | None:
    """More than a fifth of the responses end because the budget is spent."""
    points = smoothed(series.get("response/stopped_share", ()))
    steps = steps_where(points, lambda value: value < 1 - TRUNCATED)
    return _seen(steps, f"up to {percent(1 - min((v for _, v in points), default=1))} of responses were cut off")


def groups_have_no_signal(series: Series) -> Seen | None:
    """In most groups all rows earn the same."""
    points = smoothed(series.get("group/no_signal_share", ()))
    steps = steps_where(points, lambda value: value > NO_SIGNAL)
    return _seen(steps, f"up to {percent(max((v for _, v in points), default=0))} of groups teach nothing")


def rewards_swing(series: Series) -> Seen | None:
    """A reward turns around again and again."""
    for name, said in (("reward/similarity_student", "similarity"), ("reward/answer_student", "answer")):
        found = turns(smoothed(series.get(name, ())), SWING)
        if len(found) >= NUM_TURNS:
            return Seen(
                found,
                f"students' {said} reward turned {len(found)} times by {SWING} or more, at steps {ranges(found)}",
            )
    return None


def similarity_hides_answers(series: Series) -> Seen | None:
    """The similarity reward rises while answers get worse."""
    alike, right = series.get("reward/similarity_student", ()), series.get("reward/answer_student", ())
    start, before = beginning(alike), beginning(right)
    if start is None or before is None:
        return None
    best, steps = before, []
    for step, (similarity, answers) in together(smoothed(alike), smoothed(right)):
        best = max(best, answers)
        if similarity >= start + SIMILARITY_UP and answers <= best - ANSWERS_DOWN:
            steps.append(step)
    ends = f"similarity {start:.2f} to {alike[-1][1]:.2f}, answers {best:.2f} at best and {right[-1][1]:.2f} in the end"
    return _seen(tuple(steps), ends)


def updates_fail(series: Series) -> Seen | None:
    """An update wasn't taken, as its loss or gradient wasn't finite."""
    for name, said in _LEARNERS.items():
        counts = series.get(f"{name}/num_bad_steps", ())
        steps = tuple(step for (_, before), (step, now) in pairwise([(0, 0.0), *counts]) if now > before)
        if steps:
            return Seen(steps, f"{counts[-1][1]:.0f} updates of the {said} were not taken")
    return None


def gradients_spike(series: Series) -> Seen | None:
    """A gradient far beyond the run's own median, after the first tenth of the steps."""
    for name in ("policy", "sft"):
        points = series.get(f"{name}/grad_norm", ())
        points = points[len(points) // 10 :]
        median = sorted(value for _, value in points)[len(points) // 2] if len(points) >= MANY_STEPS else 0.0
        steps = steps_where(points, partial(_spikes, SPIKE * median))
        if steps:
            most = max(value for _, value in points) / median
            return Seen(
                steps,
                f"the gradient norm of the {_LEARNERS[name]} is up to {most:.0f} times its median {median:.3g}; "
                f"steps {ranges(steps)}",
            )
    return None


def sampler_differs(series: Series) -> Seen | None:
    """What samples is far from what is trained."""
    points = smoothed(series.get("policy/student_mismatch_kl", ()))
    steps = steps_where(points, lambda value: value > MISMATCH)
    return _seen(steps, f"up to {max((v for _, v in points), default=0):.3g} nats a token")


def _spikes(bound: float, value: float) -> bool:
    return value > bound > 0


def _seen(steps: tuple[int, ...], says: str) -> Seen | None:
    return Seen(steps, f"{says}; steps {ranges(steps)}") if steps else None


SIGNS: tuple[Sign, ...] = (
    Sign(
        "entropy-collapse",
        "the policy's entropy collapses",
        "bad",
        "policy/entropy",
        f"the mean over five steps is below {percent(COLLAPSED_SHARE)} of that of the first five",
        "the pocket world's good runs lose less than half; one that collapsed lost nine tenths in twenty steps",
        "All rollouts of a question are alike, so their rewards are alike and teach nothing: what the policy does now "
        "is what it will do.",
        "A lower `train.optim.lr`, a higher `train.algorithm.kl_beta`. Go on from a student before the fall, not from "
        "the last one.",
        "train.md#a-run-that-fails",
        entropy_collapses,
    ),
    Sign(
        "runaway-length",
        "responses grow, and answers don't get better",
        "bad",
        "response/mean_tokens",
        f"the mean over five steps is {RUNAWAY:g} times that of the first five and {BEYOND_TEACHER:g} times the "
        "teachers', and no more answers are right than in the first five (5 points)",
        "a student that takes on its teachers' form may get several times as long as it was, but not longer than they",
        "Something pays for length: a reward of your own, a judge that likes long answers, or a discriminator that "
        "tells the sides apart by length.",
        "Read rollouts of these steps. Add `[train.rewards.length]`, look at what your reward pays, and at the judge's "
        "canaries.",
        "train.md#rewards",
        length_runs_away,
    ),
    Sign(
        "truncated-answers",
        "answers are cut off by the token budget",
        "look",
        "response/stopped_share",
        f"over five steps, more than {percent(TRUNCATED)} of the student's responses don't end by themselves",
        "a response that was cut rarely has its answer, and is judged wrong for its length",
        "The budget is too small for what the student writes, or the student no longer stops.",
        "Raise `train.sampling.max_new_tokens`, or add `[train.rewards.length]`; where the share grows, see "
        "`runaway-length`.",
        "train.md#rewards",
        answers_are_cut,
    ),
    Sign(
        "no-signal",
        "most groups teach nothing",
        "look",
        "group/no_signal_share",
        f"over five steps, advantages are all 0 in more than {percent(NO_SIGNAL)} of the groups",
        "four steps in five are then paid for nothing",
        "All rows of a group earn the same: questions are too easy or too hard, or the policy has collapsed.",
        "More rows in a group, or questions in the middle: `data.select.pass_rate`.",
        "data.md#selection",
        groups_have_no_signal,
    ),
    Sign(
        "reward-swings",
        "a reward swings",
        "look",
        "reward/similarity_student",
        f"the mean over five steps turns around {NUM_TURNS} times or more, by {SWING:g} or more each time",
        "a mean over five steps of a few dozen rows moves by less than 0.1 by chance",
        "Policy and discriminator chase one another: each learns to undo what the other has just learned.",
        "A lower rate for one of them (`train.optim.lr`, `train.discriminator.optim.lr`), or more rows in a step.",
        "pretrain-disc.md",
        rewards_swing,
    ),
    Sign(
        "similarity-without-answers",
        "more like a teacher, and less often right",
        "bad",
        "reward/answer_student",
        f"over five steps, similarity is {SIMILARITY_UP:g} above its beginning and answers are {ANSWERS_DOWN:g} below "
        "their best",
        "both are shares of a few dozen rows; these distances are beyond chance over five steps",
        "The student learns how teachers sound, and pays with being right: similarity outweighs answers.",
        "A smaller `train.rewards.similarity`; a discriminator that sees question and picture "
        '(`pretrain-disc.input = "image+question+response"`).',
        "train.md#rewards",
        similarity_hides_answers,
    ),
    Sign(
        "bad-updates",
        "updates were not taken",
        "look",
        "policy/num_bad_steps",
        "a loss or gradient wasn't finite",
        "none should be",
        "Numbers overflowed; the update was left out, and the run went on.",
        'A lower rate, `dtype = "bfloat16"` instead of float16, and a look at the step\'s rows.',
        "train.md#bad-steps",
        updates_fail,
    ),
    Sign(
        "gradient-spikes",
        "gradients spike",
        "look",
        "policy/grad_norm",
        f"a norm is more than {SPIKE:g} times the median, of {MANY_STEPS} steps or more; the first tenth is left out",
        "batches differ by a factor of a few",
        "One batch is far from all others: an odd row, or an unstable policy. Clipping keeps the update small.",
        "Read the rollouts of these steps; lower `max_grad_norm` or the rate if there are many.",
        "train.md#bad-steps",
        gradients_spike,
    ),
    Sign(
        "sampler-mismatch",
        "the sampler is not what is trained",
        "look",
        "policy/student_mismatch_kl",
        f"over five steps, k3 of the sampler from the trainer is above {MISMATCH:g} nats a token",
        "in one precision the two agree to 1e-3",
        "Rollouts come from another distribution than the one that learns, so the gradient is biased.",
        "The same precision on both sides; look at `sync/logprob_error`.",
        "vllm.md#the-correction",
        sampler_differs,
    ),
)
"""In the order of a report."""
