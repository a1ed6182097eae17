"""One check of a judge: canaries, until it is clear whether it can be trusted.

Each check counts by itself. It asks four things, of wrong canaries and of right ones: how often is the judge mistaken,
and how often does it say nothing. Each is a sequential test that tolerates half of the recipe's limit and catches twice
of it. A judge at twice a limit passes a check with a probability of `MISSED` at most. One at half of all limits, or
better, fails any of a run's checks with a probability of `FALSE_ALARM` at most, however many there are: check number k
may spend 1 / (k (k + 1)) of it, and these add up to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rilctl.algorithms.sequential import SequentialTest, rate_test
from rilctl.algorithms.statistics import Interval, wilson_interval
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.judging.base import Verdict
from rilctl.errors import RilctlError

FALSE_ALARM = 0.01
MISSED = 0.01
_NUM_TESTS = 4
_MUTE = 0.999
"""No limit lets a judge pass that says next to nothing: a check of it would have no end."""
_FEWEST = 16
"""Canaries of a side, so that its rate says something."""


class Known(Protocol):
    """A canary, whoever is judged."""

    @property
    def kind(self) -> str:
        """The trick, or `right`."""

    @property
    def is_right(self) -> bool:
        """What a judge should say."""


Case = TypeVar("Case", bound=Known)


@dataclass
class Side(Generic[Case]):
    """The wrong canaries of a check, or the right ones.

    Args:
        mistakes: how often it may be mistaken.
        silence: how often it may say nothing.
        is_right: which side.
    """

    mistakes: SequentialTest | None
    silence: SequentialTest | None
    is_right: bool
    said: list[tuple[Case, Verdict]] = field(default_factory=list)

    @property
    def num_silent(self) -> int:
        """Canaries without a verdict."""
        return sum(verdict.correct is None for _, verdict in self.said)

    @property
    def num_mistaken(self) -> int:
        """Canaries with the other verdict."""
        return sum(verdict.correct is (not self.is_right) for _, verdict in self.said)

    @property
    def num_said(self) -> int:
        """Canaries with a verdict."""
        return len(self.said) - self.num_silent

    @property
    def is_mistaken(self) -> bool:
        """Whether it is mistaken too often."""
        return bool(self.mistakes and self.mistakes.is_too_high(self.num_mistaken, self.num_said))

    @property
    def is_silent(self) -> bool:
        """Whether it says too often nothing."""
        return bool(self.silence and self.silence.is_too_high(self.num_silent, len(self.said)))

    @property
    def num_wanted(self) -> int:
        """Canaries that are still to be put, so that all is clear if it is right about them; 0: it is."""
        more = self.mistakes.num_more(self.num_mistaken, self.num_said) if self.mistakes else 0
        told = self.silence.num_more(self.num_silent, len(self.said)) if self.silence else 0
        return max(0, more, told, _FEWEST - len(self.said))

    @property
    def rate(self) -> Interval | None:
        """How often it was mistaken, with Wilson's interval; None: it said nothing."""
        return wilson_interval(self.num_mistaken, self.num_said) if self.num_said else None


class Check(Generic[Case]):
    """One check.

    Args:
        config: the limits.
        number: of the check in this process, from 1.
    """

    def __init__(self, config: LlmJudgeConfig, number: int) -> None:
        alpha = FALSE_ALARM / _NUM_TESTS / (number * (number + 1))

        def side(limit: float, *, is_right: bool) -> Side[Case]:
            silence = rate_test(min(config.max_no_verdicts, _MUTE), alpha, MISSED)
            return Side(rate_test(limit, alpha, MISSED), silence, is_right)

        self.config = config
        self.wrong = side(config.max_false_positives, is_right=False)
        self.right = side(config.max_false_negatives, is_right=True)

    @property
    def num_wanted(self) -> tuple[int, int]:
        """Wrong and right canaries that are still to be put; none where it is clear."""
        if self.failure() is not None:
            return 0, 0
        return self.wrong.num_wanted, self.right.num_wanted

    @property
    def canaries(self) -> list[Case]:
        """Those that were put."""
        return [canary for side in (self.wrong, self.right) for canary, _ in side.said]

    def add(self, said: Sequence[tuple[Case, Verdict]]) -> None:
        """What the judge said."""
        for canary, verdict in said:
            (self.right if canary.is_right else self.wrong).said.append((canary, verdict))

    def failure(self) -> RilctlError | None:
        """Why the judge can't be trusted, if so."""
        sides = (
            (self.wrong, "wrong", "right", "max_false_positives"),
            (self.right, "right", "wrong", "max_false_negatives"),
        )
        for side, truth, word, field_name in sides:
            if side.is_silent:
                silent = next(verdict for _, verdict in side.said if verdict.correct is None)
                share = (
                    f"{side.num_silent} of {len(side.said)} {truth} canaries"
                    if side.num_said
                    else f"any {truth} canary"
                )
                return RilctlError(
                    f"the judge gave no verdict on {share}: {silent.reason}",
                    hint="look at its replies: the model, `judge.rubric` and `judge.verdict_form` must fit together; "
                    f"`judge.max_no_verdicts` is {self.config.max_no_verdicts:.1%}",
                )
            if side.is_mistaken and (rate := side.rate) is not None:
                bounds = f"95 % interval {rate.low:.1%} to {rate.high:.1%}"
                limit = getattr(self.config, field_name)
                return RilctlError(
                    f"the judge calls {rate.estimate:.1%} of the {truth} canaries {word} ({bounds}), "
                    f"`judge.{field_name}` is {limit:.1%}; most often: {_worst(side)}",
                    hint="take another judge or rubric; its verdicts can't be trusted, and those that no check covers "
                    "are dropped",
                )
        return None

    def metrics(self) -> dict[str, float]:
        """Both rates with their intervals, how many canaries there were, how many have no verdict."""
        found = {
            "num": float(len(self.canaries)),
            "num_no_verdict": float(self.wrong.num_silent + self.right.num_silent),
        }
        for name, side in (("false_positive", self.wrong), ("false_negative", self.right)):
            if (rate := side.rate) is not None:
                found |= {f"{name}_rate": rate.estimate, f"{name}_low": rate.low, f"{name}_high": rate.high}
        return found


def pooled(checks: Sequence[Check[Case]]) -> dict[str, float]:
    """Metrics of several checks as if they were one; none where there is no check."""
    if not checks:
        return {}
    whole = Check[Case](checks[0].config, 1)
    for check in checks:
        whole.wrong.said += check.wrong.said
        whole.right.said += check.right.said
    return whole.metrics()


def num_canaries(config: LlmJudgeConfig) -> int:
    """Canaries of a check whose judge is right about all of them: the fewest that there are."""
    return sum(Check[Known](config, 1).num_wanted)


def _worst(side: Side[Case]) -> str:
    """The kinds of canary that were judged wrongly, the most frequent first."""
    kinds = [canary.kind for canary, verdict in side.said if verdict.correct is (not side.is_right)]
    return ", ".join(f"`{kind}`" for kind in sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))[:5])
