"""What an arm would take at the recipe's full size: its plan's steps, at the seconds per step that were measured."""

from pathlib import Path
from typing import cast

from rilctl.artifacts.layout import TIMINGS
from rilctl.config.arms import Arm, read_arm
from rilctl.config.recipe import Verb
from rilctl.config.train import TrainConfig
from rilctl.errors import RilctlError
from rilctl.pipeline.comparison.jobs import Planned
from rilctl.pipeline.comparison.setup import Comparison
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext


def full_size_seconds(
    comparison: Comparison, planned: Planned, arm: Arm, measured: float | None, cwd: Path
) -> float | None:
    """Seconds of an arm's own verbs at full size; None where it can't be computed.

    Args:
        comparison: what was compared.
        planned: its commands.
        arm: which.
        measured: seconds of its own verbs, as they ran.
        cwd: where they ran.
    """
    if measured is None or (comparison.pilot is None and comparison.budget is None):
        return measured
    total = 0.0
    for name in planned.own[arm.name, 0]:
        verb = cast(Verb, planned.jobs[name].arguments[0])
        if verb == "sft" and comparison.pace is not None:  # as many tokens as the arm that sets the pace
            return _longer(comparison, planned, measured, cwd)
        seconds = _planned_seconds(comparison, arm, verb, cwd / planned.places[name], cwd)
        if seconds is None:
            return None
        total += seconds
    return total


def _longer(comparison: Comparison, planned: Planned, measured: float, cwd: Path) -> float | None:
    """At as many steps of the arm that sets the pace as the recipe has."""
    assert comparison.pace is not None
    train = next(name for name in planned.own[comparison.pace.name, 0] if name.startswith("train-"))
    rows = read_metrics(cwd / planned.places[train] / TIMINGS)
    steps = rows[-1]["step"] if rows else 0
    return measured * (comparison.full.train or TrainConfig()).num_steps / steps if steps else None


def _planned_seconds(comparison: Comparison, arm: Arm, verb: Verb, place: Path, cwd: Path) -> float | None:
    """What the verb's plan says of the whole recipe, with the seconds per step of a run that was shorter."""
    try:
        full = read_arm(comparison.recipes, arm.overlay, (*comparison.said, f"plan.timings={place}"))
        context = StageContext(
            recipe=full.recipe.seen_by(verb),
            recipe_name=comparison.name,
            base_dir=cwd,
            out=cwd / comparison.folder / "full-size",
            reporter=SilentReporter(),
            resume_command="",
        )
        seconds = plan_object(load_stage(verb).plan(context))["plan"]["time"]["wall_time_s"]
    except RilctlError:  # something that the plan needs isn't there yet
        return None
    return None if seconds is None else float(seconds)
