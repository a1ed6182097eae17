"""What the results of a place say: means, paired differences, what won, what is missing. Plain floats, no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.order import best_rate, rate_of, runs_of, trials_of
from experiments.results import Results, Run
from experiments.worlds import Place
from rilctl.algorithms.comparisons import holm
from rilctl.algorithms.crossed import Difference, crossed_difference, crossed_mean
from rilctl.algorithms.statistics import Interval


@dataclass(frozen=True)
class Standing:
    """One arm in one place.

    Args:
        arm: its name.
        runs: by seed, at the chosen rate.
        rate: the chosen one.
        is_edge: whether the best of the rates tried was the lowest or the highest, so that a better one may lie beyond.
        mean: accuracy on the test questions, with its interval for other seeds and other questions.
        minus: the same minus the baseline, on the seeds that both have; None where there are none, or of itself.
        adjusted: p of no difference, for all of the place's comparisons together (Holm).
        is_whole: whether all seeds are there.
    """

    arm: str
    runs: Mapping[int, Run]
    rate: float | None
    is_edge: bool
    mean: Interval
    minus: Difference | None
    adjusted: float | None
    is_whole: bool

    def average(self, of: str) -> float:
        """Mean over the seeds of `num_tokens` or `cpu_s`."""
        return sum(float(getattr(run, of)) for run in self.runs.values()) / len(self.runs)


def standings(place: Place, results: Results) -> list[Standing]:
    """All arms with at least one seed, the best mean first."""
    runs = {arm: runs_of(place, results, arm) for arm in place.arms}
    runs = {arm: by_seed for arm, by_seed in runs.items() if by_seed}
    baseline, others = runs.get(place.baseline, {}), [arm for arm in runs if arm != place.baseline]
    minus = {arm: minus_baseline(runs[arm], baseline) for arm in others}
    adjusted = holm({(arm, place.baseline): found.p for arm, found in minus.items() if found is not None})
    found = [
        Standing(
            arm,
            by_seed,
            rate_of(place, results, arm),
            _is_edge(trials_of(results, place.rates_from or arm)),
            crossed_mean([run.correct for _, run in sorted(by_seed.items())]),
            minus.get(arm),
            adjusted.get((arm, place.baseline)),
            len(by_seed) == len(place.seeds),
        )
        for arm, by_seed in runs.items()
    ]
    return sorted(found, key=lambda each: -each.mean.estimate)


def minus_baseline(runs: Mapping[int, Run], baseline: Mapping[int, Run]) -> Difference | None:
    """An arm's accuracy minus the baseline's, paired by question and seed; None: no seed in common."""
    seeds = sorted(runs.keys() & baseline.keys())
    if not seeds:
        return None
    return crossed_difference([runs[seed].correct for seed in seeds], [baseline[seed].correct for seed in seeds])


def is_clear(found: Standing) -> bool:
    """Whether it differs from the baseline on all seeds, at 5 % for all comparisons of the place together."""
    return found.is_whole and found.adjusted is not None and found.adjusted < 0.05


def missing(place: Place, results: Results) -> dict[str, int]:
    """Arms that lack seeds, and how many."""
    lacking = {arm: len(place.seeds) - len(runs_of(place, results, arm)) for arm in place.arms}
    return {arm: num for arm, num in lacking.items() if num}


def _is_edge(trials: Sequence[Run]) -> bool:
    rates = [run.rate for run in trials]
    return len(rates) > 1 and best_rate(trials) in (rates[0], rates[-1])
