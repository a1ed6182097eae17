"""What a comparison would do: commands, tokens, and the time, by what was measured so far."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.roles import artifacts_in, missing_roles
from rilctl.config.arms import Arm
from rilctl.config.train import TrainConfig
from rilctl.pipeline.comparison.jobs import Planned, plan_jobs
from rilctl.pipeline.comparison.measured import said_seconds_of, seconds_of
from rilctl.pipeline.comparison.run import said_budget
from rilctl.pipeline.comparison.setup import Comparison
from rilctl.pipeline.jobs import JobSettings
from rilctl.reporting.tables import said_seconds


@dataclass(frozen=True)
class ComparisonPlan:
    """What `--dry-run` says.

    Args:
        arms: their names.
        num_jobs: commands in all.
        num_finished: those that have finished before; whether they are up to date is found when they run.
        budget: how lengths are made equal.
        response_tokens: that all students together learn from, at most; None: it isn't known before they do.
        seconds: what is left, on these workers, by what was measured so far; None: something was never measured.
        unmeasured: of these commands.
        folder: where it all goes.
    """

    arms: tuple[str, ...]
    num_jobs: int
    num_finished: int
    budget: str
    response_tokens: int | None
    seconds: float | None
    unmeasured: tuple[str, ...]
    folder: str

    def lines(self) -> list[str]:
        """For a person."""
        tokens = "unknown before they run" if self.response_tokens is None else f"{self.response_tokens:,} at most"
        time = f"about {said_seconds(self.seconds or 0.0)} by what was measured"
        if self.seconds is None:
            time = f"unknown: {len(self.unmeasured)} commands were never measured ({', '.join(self.unmeasured[:4])} …)"
        return [
            f"arms             {', '.join(self.arms)}",
            f"commands         {self.num_jobs}, {self.num_finished} of them finished before",
            f"lengths          {self.budget}",
            f"response tokens  {tokens}",
            f"time             {time}",
            f"directory        {self.folder}",
        ]

    def as_object(self) -> dict[str, Any]:
        """For programs."""
        return {
            "arms": [*self.arms],
            "jobs": self.num_jobs,
            "finished": self.num_finished,
            "response_tokens": self.response_tokens,
            "seconds": self.seconds,
            "unmeasured": [*self.unmeasured],
            "directory": self.folder,
        }


def plan_comparison(comparison: Comparison, settings: JobSettings) -> ComparisonPlan:
    """What a comparison would do; nothing is written.

    Args:
        comparison: what is compared.
        settings: how its commands would run.
    """
    planned = plan_jobs(comparison)
    finished = {name for name, place in planned.places.items() if is_finished(settings.cwd / place)}
    left = [name for name in planned.jobs if name not in finished]
    measured = {name: _measured(name, planned, settings) for name in left}
    unmeasured = tuple(name for name, seconds in measured.items() if seconds is None)
    return ComparisonPlan(
        arms=tuple(arm.name for arm in comparison.arms),
        num_jobs=len(planned.jobs),
        num_finished=len(finished),
        budget=said_budget(comparison),
        response_tokens=_tokens(comparison),
        seconds=None if unmeasured else sum(each or 0.0 for each in measured.values()) / settings.workers,
        unmeasured=unmeasured,
        folder=str(comparison.folder),
    )


def is_finished(place: Path) -> bool:
    """Whether a run's directory has everything that it should have."""
    if (place / MANIFEST).is_file():
        return True
    return place.is_dir() and bool(artifacts_in(place)) and not missing_roles(place)


def _measured(name: str, planned: Planned, settings: JobSettings) -> float | None:
    """Seconds of the same command with another seed, if one has finished."""
    arguments = planned.jobs[name].arguments
    place = planned.places[name]
    for other, where in planned.places.items():
        twin = where.parent.parent == place.parent.parent and where.name == place.name
        if other != name and twin and planned.jobs[other].arguments[0] == arguments[0]:
            found = seconds_of(settings.cwd / where) if is_finished(settings.cwd / where) else None
            found = said_seconds_of(other, settings.logs) if found is None else found
            if found is not None:
                return found
    return None


def _tokens(comparison: Comparison) -> int | None:
    budget, pace = comparison.budget, comparison.pace
    trained = [arm for arm in comparison.arms if arm.table.verbs]
    if budget is not None and budget.unit == "tokens":
        return budget.number * len(trained) * comparison.num_seeds
    if pace is None:
        return None
    most = _most_tokens(pace, budget.number if budget is not None else None)
    each = [_most_tokens(arm, budget.number if budget else None) if _trains(arm) else most for arm in trained]
    return sum(each) * comparison.num_seeds


def _trains(arm: Arm) -> bool:
    return arm.table.verbs[-1:] == ("train",)


def _most_tokens(arm: Arm, steps: int | None) -> int:
    train = arm.recipe.train or TrainConfig()
    rows = train.questions_per_step * train.num_policy_rows
    return (steps or train.num_steps) * rows * train.sampling.max_new_tokens
