"""What to run next: a pure function of what is known, so that it can be stopped anywhere."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiments.results import Results, Run
from experiments.worlds import TUNING_SEED, Place


@dataclass(frozen=True)
class Task:
    """A run that is still to be made; on `TUNING_SEED` a trial, whose student no test question is put to."""

    arm: str
    seed: int
    rate: float | None

    @property
    def is_trial(self) -> bool:
        """Whether it is there to choose a rate."""
        return self.seed == TUNING_SEED


def best_rate(trials: Sequence[Run]) -> float | None:
    """The rate that did best on validation; of equal ones the lowest. None: nothing was tried."""
    tried = [(-(run.validation or 0.0), run.rate) for run in trials if run.rate is not None]
    return min(tried)[1] if tried else None


def missing_tasks(
    place: Place,
    group: Sequence[str],
    rates: Mapping[str, Sequence[float]],
    results: Results,
    is_current: Callable[[Run], bool],
) -> Iterator[Task]:
    """A group's runs that are missing, or were made by another recipe than today's, and can be made by now, in order.

    In a group, all arms' trials come first, then all arms on the first seed, on the second, and so on: whenever a seed
    is through, arms have been run equally often. An arm's seeds wait for all its trials, which choose their rate.

    Args:
        place: whose seeds.
        group: arms of the place.
        rates: by arm, those to try; the arms that there are.
        results: what has been run.
        is_current: whether a run's recipe is today's.
    """
    present = [arm for arm in group if arm in rates]
    untuned: set[str] = set()
    for task in _tasks(place, present, rates, results):
        run = results.find(task.arm, task.seed, task.rate)
        if run is not None and is_current(run):
            continue
        if task.is_trial:
            untuned.add(task.arm)
        elif untuned & {task.arm, place.rates_from}:
            continue
        yield task


def _tasks(place: Place, arms: Sequence[str], rates: Mapping[str, Sequence[float]], results: Results) -> Iterator[Task]:
    """All tasks of a group in order; rates are known by the time that seeds are reached."""
    tuned = [arm for arm in arms if place.rates_from in (None, arm)]
    yield from (Task(arm, TUNING_SEED, rate) for arm in tuned for rate in rates[arm])
    for seed in place.seeds:
        yield from (Task(arm, seed, rate_of(place, results, arm)) for arm in arms)


def rate_of(place: Place, results: Results, arm: str) -> float | None:
    """The rate of an arm's students; None: none was tried."""
    return best_rate(trials_of(results, place.rates_from or arm))


def trials_of(results: Results, arm: str) -> list[Run]:
    """An arm's trials, lowest rate first."""
    trials = (run for run in results.runs if run.arm == arm and run.seed == TUNING_SEED)
    return sorted(trials, key=lambda run: run.rate or 0.0)


def runs_of(place: Place, results: Results, arm: str) -> dict[int, Run]:
    """An arm's runs by seed, at its rate."""
    rate = rate_of(place, results, arm)
    return {run.seed: run for run in results.runs if (run.arm, run.rate) == (arm, rate) and run.seed in place.seeds}
