"""Results that nobody measured."""

from collections.abc import Sequence

from experiments.order import Task
from experiments.results import Results, Run, pack
from experiments.worlds import REGIMES, TUNING_SEED, WORLDS, Place

RATES = {"base": (), "sft-right": (1e-4, 1e-3), "ril": (1e-4, 1e-3)}
PLACE = Place(WORLDS[0], REGIMES[0], groups=(("base", "sft-right"), ("ril",)))


def made_up(arm: str, seed: int, rate: float | None, *, validation: float = 0.5, right: Sequence[bool] = ()) -> Run:
    return Run(
        arm=arm, seed=seed, rate=rate, validation=validation, right=None if seed == TUNING_SEED else pack(right),
        num_questions=len(right), num_tokens=1000, cpu_s=3.5, recipe="today", commit="abc", versions={"rilctl": "1"},
    )  # fmt: skip


def done(task: Task, right: Sequence[bool] = (True, False)) -> Run:
    return made_up(task.arm, task.seed, task.rate, right=() if task.is_trial else right)


def empty() -> Results:
    return Results(place="digits-truth")
