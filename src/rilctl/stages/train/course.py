"""What a run says of itself while there is time to stop it: it learns nothing, or the student gets worse."""

from collections.abc import Mapping

from rilctl.algorithms.statistics import Interval
from rilctl.config.train import TrainConfig
from rilctl.schemas.base import StrictModel

_IDLE_STEPS = 10
"""Steps in a row without a signal before a person is told."""


class Course(StrictModel):
    """What is remembered of the steps so far."""

    best_accuracy: float | None = None
    """The best validation's."""
    best_low: float | None = None
    """Lower end of its interval."""
    best_step: int | None = None
    """After which step that was."""
    num_worse: int = 0
    """Validations in a row that lie below the best one, intervals and all."""
    num_idle: int = 0
    """Steps in a row in which no group had a signal."""
    has_learned: bool = False
    """Whether any group ever had one."""

    def after_step(self, metrics: Mapping[str, float]) -> "Course":
        """As it is after a step with these metrics."""
        share = metrics.get("group/no_signal_share")
        if share is None:
            return self
        is_idle = share == 1.0 and not metrics.get("policy/sft_weight")  # it learns given responses
        changed = {"num_idle": self.num_idle + 1 if is_idle else 0, "has_learned": self.has_learned or not is_idle}
        return self.model_copy(update=changed)

    def after_validation(self, step: int, accuracy: Interval) -> "Course":
        """As it is after a validation that counts."""
        if self.best_accuracy is None or accuracy.estimate > self.best_accuracy:
            best = {"best_accuracy": accuracy.estimate, "best_low": accuracy.low, "best_step": step}
            return self.model_copy(update={**best, "num_worse": 0})
        is_worse = self.best_low is not None and accuracy.high < self.best_low
        return self.model_copy(update={"num_worse": self.num_worse + 1 if is_worse else 0})

    def gives_up(self, config: TrainConfig) -> bool:
        """Whether the recipe ends the run here."""
        return config.patience is not None and self.num_worse >= config.patience


def idle_warning(course: Course) -> str | None:
    """What to say after a step; None: nothing, or it was said."""
    if course.num_idle != _IDLE_STEPS:
        return None
    return (
        f"no group had a signal in the last {_IDLE_STEPS} steps: all rows of each are rewarded alike, so the policy "
        "learns nothing; the questions are too easy or too hard for it: select them by `data.select.pass_rate`, warm "
        "start longer, or raise `train.num_student_rows`"
    )


def worse_warning(step: int, accuracy: Interval, course: Course) -> str | None:
    """What to say after a validation; None: it doesn't lie below the best one."""
    if not course.num_worse or course.best_accuracy is None:
        return None
    return (
        f"validation after step {step}: {accuracy.estimate:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%}), it was "
        f"{course.best_accuracy:.1%} after step {course.best_step}: the student gets worse; lower `train.optim.lr` or "
        "raise `train.algorithm.kl_beta` (`train.patience` would end the run)"
    )


def last_words(course: Course, kept_step: int | None, *, from_rewards: bool) -> list[str]:
    """What a person should know of the result.

    Args:
        course: of the run.
        kept_step: whose student is kept as the best.
        from_rewards: False: nothing was learned from rewards, and they needed no signal.
    """
    words = []
    if from_rewards and not course.has_learned:
        words.append(
            "no group of any step had a signal: the student is what it was before, but for the optimizer's decay"
        )
    if course.num_worse and course.best_accuracy is not None:
        kept = "is kept as best-student; eval takes that one" if kept_step == course.best_step else "is not kept"
        words.append(
            f"the last student is worse than the one after step {course.best_step} ({course.best_accuracy:.1%}), which "
            + kept
        )
    return words
