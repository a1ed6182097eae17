"""What the results of a place say: means, paired differences, what won, what is missing. Plain floats, no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

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
        adjusted: p of no difference, for all of the place's comparisons together (Holm); None without all seeds.
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
        return fmean(float(getattr(run, of)) for run in self.runs.values())

    def metric(self, name: str) -> float | None:
        """Mean over the seeds of one of the runs' metrics; None: not all of them have it."""
        found = [run.metrics[name] for run in self.runs.values() if name in run.metrics]
        return fmean(found) if len(found) == len(self.runs) else None

    @property
    def spread(self) -> float:
        """Standard deviation of the accuracy between seeds (of a sample; 0 with one seed)."""
        shares = [sum(run.correct) / run.num_questions for run in self.runs.values()]
        return stdev(shares) if len(shares) > 1 else 0.0


def standings(place: Place, results: Results) -> list[Standing]:
    """All arms with at least one seed, the best mean first."""
    runs = {arm: runs_of(place, results, arm) for arm in place.arms}
    runs = {arm: by_seed for arm, by_seed in runs.items() if by_seed}
    baseline, others = runs.get(place.baseline, {}), [arm for arm in runs if arm != place.baseline]
    minus = {arm: difference(runs[arm], baseline) for arm in others}
    lacking = missing(place, results)
    whole = {} if place.baseline in lacking else {arm: found for arm, found in minus.items() if arm not in lacking}
    adjusted = holm({(arm, place.baseline): found.p for arm, found in whole.items() if found is not None})
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


def difference(runs: Mapping[int, Run], others: Mapping[int, Run]) -> Difference | None:
    """An arm's accuracy minus another's, paired by question and seed; None: no seed in common."""
    seeds = sorted(runs.keys() & others.keys())
    if not seeds:
        return None
    return crossed_difference([runs[seed].correct for seed in seeds], [others[seed].correct for seed in seeds])


Pair = tuple[str, str]
"""An arm, and the one that is subtracted from it."""


def differences(place: Place, results: Results, pairs: Sequence[Pair]) -> dict[Pair, tuple[Difference, float]]:
    """The pairs of which both arms have all seeds, each with its p, for all of these pairs together (Holm)."""
    lacking = missing(place, results)
    present = [pair for pair in pairs if set(pair) <= set(place.arms) and not set(pair) & lacking.keys()]
    runs = {arm: runs_of(place, results, arm) for pair in present for arm in pair}
    found = {(arm, other): difference(runs[arm], runs[other]) for arm, other in present}
    whole = {pair: minus for pair, minus in found.items() if minus is not None}
    adjusted = holm({pair: minus.p for pair, minus in whole.items()})
    return {pair: (minus, adjusted[pair]) for pair, minus in whole.items()}


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
