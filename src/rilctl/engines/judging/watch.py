"""A judge under watch: canaries first, a sample of them as it goes on, and an end to the run if it is fooled."""

import random
from collections.abc import Callable, Sequence

from rilctl.algorithms.statistics import Interval, wilson_interval
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, Verdict, judge_metrics
from rilctl.engines.judging.canaries import CANARIES, Canary
from rilctl.errors import RilctlError

_SAMPLE_SIZE = 16


def most_canaries(num_requests: int, every: int) -> int:
    """How many canaries are put to a judge at most while it answers so many requests: see `WatchedJudge.watch`.

    Args:
        num_requests: over the judge's life.
        every: `judge.canaries_every`.
    """
    return len(CANARIES) + (num_requests - 1) // every * _SAMPLE_SIZE if num_requests else 0


class WatchedJudge:
    """A `JudgeEngine` that asks another one, and knows how far it can be trusted.

    Rates are over the newest verdict on each canary; one without a verdict counts in neither rate.

    Args:
        judge: answers requests.
        afresh: the same judge without a cache; answers canaries.
        config: the limits.
        on_canaries: told, now and then, how many more canaries are answered; may raise to stop.
    """

    def __init__(
        self,
        judge: JudgeEngine,
        afresh: JudgeEngine,
        config: LlmJudgeConfig,
        on_canaries: Callable[[int], object] = lambda num: None,
    ) -> None:
        self.unwatched, self._afresh, self._config, self._on_canaries = judge, afresh, config, on_canaries
        self._newest: dict[Canary, Verdict] = {}
        self._num_since = 0
        self._dice = random.Random(0)

    @property
    def name(self) -> str:
        """See `JudgeEngine`."""
        return self.unwatched.name

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`."""
        return self.unwatched.rows_at_once

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`. Raises `RilctlError` where canaries fooled the judge more often than the recipe allows."""
        if not requests:
            return []
        self.watch(len(requests))
        return self.unwatched.verdicts(requests)

    def watch(self, num_requests: int) -> None:
        """Put canaries to the judge where they are due before so many requests; raises as `judge` does."""
        if not self._newest:
            self._check(CANARIES)
        elif self._num_since >= self._config.canaries_every:
            self._check(self._dice.sample(CANARIES, _SAMPLE_SIZE))
        self._num_since += num_requests

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`; canaries are asked afresh."""
        return self.unwatched.calls(requests)

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`; without the canaries."""
        return self.unwatched.counts()

    def trust(self) -> dict[str, float]:
        """Metrics: both rates with Wilson's intervals, how many canaries have no verdict, what they cost."""
        found = {f"canary/{name}": number for name, number in judge_metrics(self._afresh.counts()).items()}
        if self._newest:
            found["canary/num"] = float(len(self._newest))
            found["canary/num_no_verdict"] = float(sum(v.correct is None for v in self._newest.values()))
        for name, is_right in (("false_positive", False), ("false_negative", True)):
            if (rate := self._rate(is_right=is_right)) is not None:
                found[f"canary/{name}_rate"] = rate.estimate
                found |= {f"canary/{name}_low": rate.low, f"canary/{name}_high": rate.high}
        return found

    def close(self) -> None:
        """See `JudgeEngine`."""
        self.unwatched.close()

    def _check(self, canaries: Sequence[Canary]) -> None:
        self._num_since = 0
        at_once = self._afresh.rows_at_once
        for start in range(0, len(canaries), at_once):
            some = canaries[start : start + at_once]
            verdicts = self._afresh.verdicts([canary.request for canary in some])
            self._newest |= dict(zip(some, verdicts, strict=True))
            self._on_canaries(len(some))
        limits = (
            (False, self._config.max_false_positives, "wrong", "right", "max_false_positives"),
            (True, self._config.max_false_negatives, "right", "wrong", "max_false_negatives"),
        )
        for is_right, limit, truth, word, field in limits:
            rate = self._rate(is_right=is_right)
            if rate is None:
                first = next(iter(self._newest.values()))
                raise RilctlError(
                    f"the judge gave no verdict on any {truth} canary: {first.reason}",
                    hint="look at its replies: the model, `judge.rubric` and `judge.verdict_form` must fit together",
                )
            if rate.estimate > limit:
                bounds = f"95 % interval {rate.low:.1%} to {rate.high:.1%}"
                raise RilctlError(
                    f"the judge calls {rate.estimate:.1%} of the {truth} canaries {word} ({bounds}), "
                    f"`judge.{field}` is {limit:.1%}; most often: {self._worst(is_right=is_right)}",
                    hint="take another judge or rubric; its verdicts can't be trusted",
                )

    def _rate(self, *, is_right: bool) -> Interval | None:
        verdicts = [v.correct for c, v in self._newest.items() if c.is_right == is_right and v.correct is not None]
        return wilson_interval(sum(v != is_right for v in verdicts), len(verdicts)) if verdicts else None

    def _worst(self, *, is_right: bool) -> str:
        """The kinds of canary that were judged wrongly, the most frequent first."""
        kinds = [c.kind for c, v in self._newest.items() if c.is_right == is_right and v.correct == (not is_right)]
        return ", ".join(f"`{kind}`" for kind in sorted(set(kinds), key=lambda kind: (-kinds.count(kind), kind))[:5])


def metrics_of(judge: JudgeEngine) -> dict[str, float]:
    """What a judge that works alone knows about itself so far."""
    return judge_metrics(judge.counts()) | (judge.trust() if isinstance(judge, WatchedJudge) else {})
