"""Runs a comparison, or says what it would do."""

import time
from collections.abc import Mapping
from typing import Any

from rilctl.algorithms.pooled import seed_spread
from rilctl.artifacts.locks import Waiting, writer_lock
from rilctl.pipeline.comparison.advice import give_advice
from rilctl.pipeline.comparison.full_size import full_size_seconds
from rilctl.pipeline.comparison.jobs import Planned, needs_teachers, plan_jobs
from rilctl.pipeline.comparison.measured import measure, shared_costs
from rilctl.pipeline.comparison.result import common_questions, compared_arm, paired_differences, scores_by_arm
from rilctl.pipeline.comparison.setup import Comparison
from rilctl.pipeline.comparison.writing import PAGE, REPORT, draw, write
from rilctl.pipeline.jobs import JobSettings, check_stop, run_jobs
from rilctl.reporting.progress import Reporter
from rilctl.schemas.comparison import ComparedArm, ComparisonReport, SharedCost
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.stages.shared.context import StopFlag


def run_comparison(
    comparison: Comparison, settings: JobSettings, *, reporter: Reporter, stop: StopFlag, resume_command: str
) -> ComparisonReport:
    """Run everything that isn't up to date, and write the report.

    Args:
        comparison: what is compared.
        settings: how the commands run.
        reporter: told of every command, and of its progress.
        stop: set when a signal asks for a clean end.
        resume_command: the command that goes on after that.

    Raises:
        RilctlError: a command failed.
        LockedError: another comparison runs in this folder.
        InterruptedByUser: `stop` was set.
    """
    began = time.monotonic()
    folder, planned = settings.cwd / comparison.folder, plan_jobs(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    with writer_lock(folder, Waiting(reporter.say, lambda: check_stop(stop, resume_command))):
        reporter.begin("compare", total=len(planned.jobs), unit="commands")
        results = run_jobs(planned.jobs, settings, reporter=reporter, stop=stop, resume_command=resume_command)
        reporter.end()
        report = _report(comparison, planned, results, settings, began)
        write(report, folder, resume_command, reporter)
    return report


def _report(
    comparison: Comparison,
    planned: Planned,
    results: Mapping[str, Mapping[str, Any]],
    settings: JobSettings,
    began: float,
) -> ComparisonReport:
    cwd = settings.cwd
    measured = measure(planned, results, cwd)
    questions, left_out = common_questions(measured)
    scores = scores_by_arm(measured, questions)
    arms = []
    for arm in comparison.arms:
        own = {seed: measured[arm.name, seed] for seed in comparison.seeds_of(arm)}
        full = full_size_seconds(comparison, planned, arm, own[0].seconds, cwd)
        arms.append(compared_arm(arm, own, scores[arm.name], seed_spread(scores), full))
    paired, shared = (
        paired_differences({arm.name: scores[arm.name] for arm in arms}),
        shared_costs(planned, settings.logs, cwd),
    )
    advice = give_advice(
        arms,
        paired,
        _whole_costs(comparison, arms, shared),
        questions=len(questions),
        num_seeds=comparison.num_seeds,
        makes_nothing=frozenset(arm.name for arm in comparison.arms if not arm.table.verbs),
    )
    artifacts: dict[str, ArtifactSummary | str] = {
        f"{name}/{role}": ArtifactSummary.model_validate(summary)
        for name, result in results.items()
        for role, summary in result["outputs"].items()
    }
    artifacts |= draw(comparison, planned, arms, len(questions), cwd)
    artifacts |= {"report": str(comparison.folder / REPORT), "page": str(comparison.folder / PAGE)}
    return ComparisonReport(
        recipe=comparison.name,
        questions=len(questions),
        left_out=left_out,
        pilot=comparison.pilot,
        budget=said_budget(comparison),
        arms=arms,
        paired=paired,
        shared=shared,
        advice=advice,
        artifacts=artifacts,
        seconds=round(time.monotonic() - began, 1),
    )


def said_budget(comparison: Comparison) -> str:
    """How the arms' lengths are made equal, in a line."""
    budget, pace = comparison.budget, comparison.pace
    if budget is not None and budget.unit == "tokens":
        return f"every arm ends with the step that reaches {budget.number:,} response tokens, or at the recipe's steps"
    steps = "the recipe's steps" if budget is None else f"{budget.number:,} steps"
    if pace is None:
        return f"every arm trains for {steps}"
    free = [arm.name for arm in comparison.arms if arm.table.own_length and budget is None]
    but = f", but for {', '.join(f'`{name}`' for name in free)}, as long as the recipe says" if free else ""
    return f"`{pace.name}` trains for {steps}, the others on at most as many response tokens{but}"


def _whole_costs(comparison: Comparison, arms: list[ComparedArm], shared: list[SharedCost]) -> dict[str, float]:
    """An arm's seconds, with those of teachers and judge if it learns from their work."""
    teachers = sum(cost.seconds or 0.0 for cost in shared if cost.name != "sft")
    needs = {arm.name: needs_teachers(arm) for arm in comparison.arms}
    return {arm.name: arm.seconds + teachers * needs[arm.name] for arm in arms if arm.seconds is not None}
