"""Signs of what is measured beside the policy: held-out questions, the judge, SFT's loss, pictures."""

from rilctl.views.warnings.sign import Seen, Series, Sign
from rilctl.views.warnings.smoothing import percent, ranges, smoothed, steps_where, together

OVERFITS = 0.05
FALSE_POSITIVES = 0.05
MISSING = 0.1
SKIPPED = 0.2
LOOKS = 0.02


def accuracy_falls(series: Series) -> Seen | None:
    """Held-out accuracy below its best, and the two intervals apart."""
    points = together(*(series.get(f"validation/{name}", ()) for name in ("accuracy", "low", "high")))
    best, steps, falls = (0, 0.0, 0.0), [], []
    for step, (accuracy, low, high) in points:
        if accuracy > best[1]:
            best = (step, accuracy, low)
        elif high < best[2]:
            steps.append(step)
            fall = f"{percent(best[1], 1)} at step {best[0]}, {percent(accuracy, 1)} at step {step}"
            falls.append((best[1] - accuracy, fall))
    if not steps:
        return None
    last, (accuracy, *_) = points[-1]
    fall = max(falls)[1]
    return Seen(tuple(steps), fall if fall.endswith(f"step {last}") else f"{fall}, {percent(accuracy, 1)} in the end")


def sft_overfits(series: Series) -> Seen | None:
    """The loss on held-out responses rises while that on learned ones falls."""
    held_out, learned = series.get("validation/loss", ()), smoothed(series.get("sft/loss", ()))
    if len(held_out) < 2 or len(learned) < 2 or learned[-1][1] >= learned[0][1]:
        return None
    best, least, steps = 0, float("inf"), []
    for step, value in held_out:
        if value < least:
            best, least = step, value
        elif value > (1 + OVERFITS) * least:
            steps.append(step)
    if not steps or steps[-1] != held_out[-1][0]:
        return None
    return Seen(tuple(steps), f"held-out loss {least:.3g} at step {best}, {held_out[-1][1]:.3g} in the end")


def judge_lets_wrong_pass(series: Series) -> Seen | None:
    """Canaries: wrong answers that were called right, beyond chance."""
    points = series.get("judge/canary/false_positive_low", ())
    steps = steps_where(points, lambda value: value > FALSE_POSITIVES)
    if not steps:
        return None
    rates = dict(series.get("judge/canary/false_positive_rate", ()))
    return Seen(steps, f"{percent(rates.get(steps[-1], 0.0))} of wrong canaries were called right at step {steps[-1]}")


def verdicts_are_missing(series: Series) -> Seen | None:
    """Many rows have no verdict."""
    sides = {"student": "students' rows", "teacher": "teachers' rows"}
    for points, rows in [
        *((smoothed(series.get(f"judge/missing_share_{side}", ())), rows) for side, rows in sides.items()),
        (series.get("validation/missing_share", ()), "held-out questions"),
    ]:
        steps = steps_where(points, lambda value: value > MISSING)
        if steps:
            most = percent(max(v for _, v in points))
            return Seen(steps, f"up to {most} of {rows} have no verdict; steps {ranges(steps)}")
    return None


def groups_are_skipped(series: Series) -> Seen | None:
    """Many groups have fewer than two rows with a reward."""
    points = smoothed(series.get("group/skipped_share", ()))
    steps = steps_where(points, lambda value: value > SKIPPED)
    if not steps:
        return None
    return Seen(steps, f"up to {percent(max(v for _, v in points))} of groups; steps {ranges(steps)}")


def pictures_are_unused(series: Series) -> Seen | None:
    """Another picture, or none, costs no accuracy."""
    for picture, said in (("swapped", "another question's picture"), ("none", "no picture")):
        gaps = series.get(f"validation/gap_{picture}_high", ())
        if gaps and gaps[-1][1] <= LOOKS:
            steps = steps_where(gaps, lambda value: value <= LOOKS)
            most = percent(max(0.0, gaps[-1][1]), 1)
            return Seen(steps, f"beside {said}, accuracy is at most {most} lower than beside its own")
    return None


SIGNS: tuple[Sign, ...] = (
    Sign(
        "accuracy-falls",
        "held-out accuracy falls",
        "bad",
        "validation/accuracy",
        "the upper end of a validation's 95 % interval is below the lower end of the best one before it",
        "then the fall is no chance of the questions",
        "The student was better before: what was learned since hurts on questions that it doesn't train on.",
        "Use `best-student`, which is kept beside `student`. Then look which reward rose while accuracy fell; lower "
        "`train.optim.lr`, or stop early with `train.patience`.",
        "train.md#a-run-that-fails",
        accuracy_falls,
    ),
    Sign(
        "sft-overfits",
        "SFT learns by heart",
        "look",
        "validation/loss",
        f"the last held-out loss is more than {percent(OVERFITS)} above its least, and the training loss has fallen",
        "validations of the same responses differ by less",
        "The student repeats what it has seen, and does worse on what it hasn't.",
        "Fewer `sft.num_steps` or epochs, a lower rate, more responses.",
        "sft.md",
        sft_overfits,
    ),
    Sign(
        "judge-false-positives",
        "the judge calls wrong answers right",
        "bad",
        "judge/canary/false_positive_rate",
        f"the lower end of the 95 % interval of its false positives on canaries is above {percent(FALSE_POSITIVES)}",
        "a policy finds what a judge lets pass, however seldom",
        "The answer reward pays for being wrong in the right way; the policy will learn that way.",
        "Another judge or rubric, `judge.rules_first`; compare judges with `rilctl judge --compare` first.",
        "judging.md",
        judge_lets_wrong_pass,
    ),
    Sign(
        "missing-verdicts",
        "the judge gives no verdict on many rows",
        "look",
        "judge/missing_share_student",
        f"on more than {percent(MISSING)} of the rows of five steps, or of a validation",
        "such rows teach nothing; where they are the long ones, say, the rest is biased",
        "The judge fails, is cut off, or can't read these answers.",
        "Look at the reasons in the run's log; more tokens for the judge, another rubric, a faster endpoint.",
        "judging.md",
        verdicts_are_missing,
    ),
    Sign(
        "skipped-groups",
        "groups are skipped",
        "look",
        "group/skipped_share",
        f"over five steps, more than {percent(SKIPPED)} of groups have fewer than two rows with a reward",
        "they were sampled and judged for nothing",
        "Verdicts are missing, or questions have no ground truth.",
        'Where truths are missing: `train.rewards.missing_truth = "others"`, or select questions that have one.',
        "train.md#rewards",
        groups_are_skipped,
    ),
    Sign(
        "pictures-unused",
        "the student answers as well without its picture",
        "bad",
        "validation/accuracy",
        f"in the end, the upper end of the gap's interval is {percent(LOOKS)} or less",
        "a student that looks loses most of its accuracy",
        "It answers from the question alone: it has learned what is usually right, or pictures don't reach it.",
        "Check pictures with `rilctl data`; drop questions that need none, and see whether gaps shrink in training.",
        "eval.md#does-the-student-look",
        pictures_are_unused,
    ),
)
"""In the order of a report."""
