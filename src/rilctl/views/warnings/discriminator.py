"""Signs of the discriminator: whether it sees more than length, and whether it can still teach."""

from rilctl.views.warnings.sign import Seen, Series, Sign
from rilctl.views.warnings.smoothing import percent, ranges, smoothed, steps_where, together

LENGTH_TELLS, NO_BETTER = 0.75, 0.02
SATURATED, SURE = 0.9, 0.99
FOOLED_AUC = 0.35
WORSE = 0.15
ONE_SIDED = 0.8
LONG = 0.2


def length_is_all(series: Series) -> Seen | None:
    """Length alone tells the sides apart, and the discriminator does so no better."""
    both = together(
        smoothed(series.get("disc/balanced_accuracy", ())), smoothed(series.get("disc/length_only_accuracy", ()))
    )
    steps = tuple(step for step, (whole, length) in both if length >= LENGTH_TELLS and whole <= length + NO_BETTER)
    if not steps:
        return None
    table = dict(both)
    whole, length = table[steps[-1]]
    return Seen(
        steps,
        f"at step {steps[-1]} it is right on {percent(whole)} of rows, length alone on {percent(length)}; steps "
        f"{ranges(steps)}",
    )


def saturates(series: Series) -> Seen | None:
    """Nearly all logits are far out, and right, where rows are rewarded by them."""
    return _is_sure(series) if _is_rewarded(series) else None


def saturates_early(series: Series) -> Seen | None:
    """The same before there are rewards, as in `pretrain-disc`."""
    return None if _is_rewarded(series) else _is_sure(series)


def _is_rewarded(series: Series) -> bool:
    return any(name.startswith("reward/") for name in series)


def _is_sure(series: Series) -> Seen | None:
    both = together(smoothed(series.get("disc/saturation", ())), smoothed(series.get("disc/auc", ())))
    steps = tuple(step for step, (share, auc) in both if share >= SATURATED and auc >= SURE)
    if not steps:
        return None
    return Seen(steps, f"logits beyond ±5 on {percent(SATURATED)} of rows or more; steps {ranges(steps)}")


def collapses(series: Series) -> Seen | None:
    """It is far worse than length alone, or wrong more often than chance, on rows that it hasn't learned."""
    both = together(
        smoothed(series.get("disc/balanced_accuracy", ())), smoothed(series.get("disc/length_only_accuracy", ()))
    )
    worse = {step: each for step, each in both if each[1] - each[0] >= WORSE}
    auc = smoothed(series.get("disc/auc", ()))
    wrong = {step: value for step, value in auc if value <= FOOLED_AUC}
    steps = tuple(sorted({*worse, *wrong}))
    if len(steps) < LONG * max(1, len(auc), len(both)):
        return None
    says = []
    if worse:
        whole, length = max(worse.values(), key=lambda each: each[1] - each[0])
        says.append(f"it is right on {percent(whole)} of rows where length alone is on {percent(length)}")
    if wrong:
        says.append(f"its AUC is down to {min(wrong.values()):.2f}, where 0.5 is guessing")
    return Seen(steps, f"{' and '.join(says)}; steps {ranges(steps)}")


def is_one_sided(series: Series) -> Seen | None:
    """In each step it calls nearly all rows the same, which may be another side in the next."""
    sides = together(series.get("disc/student_accuracy", ()), series.get("disc/teacher_accuracy", ()))
    points = smoothed([(step, abs(student - teacher)) for step, (student, teacher) in sides])
    steps = steps_where(points, lambda value: value >= ONE_SIDED)
    if len(steps) < LONG * max(1, len(points)):
        return None
    return Seen(steps, f"its accuracies on the two sides are {percent(ONE_SIDED)} apart or more; steps {ranges(steps)}")


SIGNS: tuple[Sign, ...] = (
    Sign(
        "length-only-discriminator",
        "the discriminator sees little more than length",
        "look",
        "disc/balanced_accuracy",
        f"over five steps, length alone is right on {percent(LENGTH_TELLS)} of rows or more, and the discriminator on"
        f" {percent(NO_BETTER)} more at most",
        "length is the easy tell; below three quarters it hardly tells, and then there is nothing to warn of",
        "The similarity reward pays for a teacher's length, whatever is said. In the first steps that is usual: a "
        "student is brief, teachers aren't. It should pass as lengths meet.",
        "Where it stays: cut teachers' answers to the student's budget, add `[train.rewards.length]`, or let the "
        'discriminator see more (`pretrain-disc.input = "image+question+response"`).',
        "method.md#reading-discriminator-health",
        length_is_all,
    ),
    Sign(
        "saturated-discriminator",
        "the discriminator is sure of everything",
        "look",
        "disc/saturation",
        f"over five steps of a run with rewards, {percent(SATURATED)} of logits are beyond ±5 and the AUC is "
        f"{SURE:g} or more",
        "every student row then loses, so the similarity reward tells none from another",
        "No rollout passes for a teacher's, and all earn 0 for similarity; only teacher rows have an advantage.",
        "A lower `train.discriminator.optim.lr`, fewer `pretrain-disc` steps, or a graded similarity reward.",
        "method.md#reading-discriminator-health",
        saturates,
    ),
    Sign(
        "saturated-pretraining",
        "the discriminator begins sure of everything",
        "look",
        "disc/saturation",
        f"as `saturated-discriminator`, over five steps of a run that rewards nothing: {percent(SATURATED)} of logits "
        f"beyond ±5, an AUC of {SURE:g} or more",
        "a student that isn't trained yet is easily told from its teachers, so this may be no fault",
        "Nothing is rewarded while it is pretrained. In the first steps of `train` it will give every student "
        "row 0 for "
        "similarity, until students come nearer to their teachers.",
        "A lower `pretrain-disc.optim.lr` or `pretrain-disc.num_steps`, if `saturated-discriminator` shows in "
        "`train` and "
        "stays.",
        "method.md#reading-discriminator-health",
        saturates_early,
    ),
    Sign(
        "collapsed-discriminator",
        "the discriminator has collapsed",
        "bad",
        "disc/balanced_accuracy",
        f"for {percent(LONG)} of the run, over five steps, its balanced accuracy is {percent(WORSE)} below that "
        "of length alone, "
        f"or its AUC on rows that it hasn't learned is {FOOLED_AUC:g} or less",
        "a rule with one threshold is easily learned; an AUC of 0.5 is guessing, and a student that can't be told "
        "apart gives that and no less",
        "It no longer tells what is easy to tell: the similarity reward is a constant or noise, and only the "
        "other rewards teach.",
        "A lower `train.discriminator.optim.lr`, `pretrain-disc` before `train`, more rows in a step.",
        "method.md#reading-discriminator-health",
        collapses,
    ),
    Sign(
        "one-sided-discriminator",
        "the discriminator calls all rows of a step the same",
        "look",
        "disc/student_accuracy",
        f"for {percent(LONG)} of the run, over five steps, accuracies on students and teachers are "
        f"{percent(ONE_SIDED)} apart",
        "with both sides alike, it is right on half of each; all right here and all wrong there is an offset",
        "All rows go over the threshold together, so a binary similarity reward is the same for a whole group and "
        "teaches nothing. With an AUC near 0.5 the sides are alike, which is the goal; with a higher one it does know, "
        "and only its zero is off.",
        '`train.discriminator.reward = "graded"`, where it is `binary`: it ranks the rows of a group all the same.',
        "method.md#reading-discriminator-health",
        is_one_sided,
    ),
)
"""In the order of a report."""
