"""`eval`: a student on a suite; every question's response, score and the accuracy with its interval."""

import importlib.util
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal

from pydantic import JsonValue

from rilctl.algorithms.statistics import wilson_interval
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.layout import RUN, write_atomic
from rilctl.artifacts.read import resolve
from rilctl.artifacts.runs import open_run
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import ModelConfig, semantic_config
from rilctl.engines.evaluation.base import BenchmarkResult, EvaluationEngine
from rilctl.engines.evaluation.digits import digits_files
from rilctl.engines.evaluation.own import OwnEvaluation
from rilctl.engines.evaluation.suites import Benchmark, FoundSuite, find_suite
from rilctl.engines.generation.open import open_generation
from rilctl.errors import UsageError
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.reporting.progress import Reporter
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.cached_calls import CachedGeneration
from rilctl.stages.context import StageContext, StageResult
from rilctl.stages.inputs import find_student, up_to_date
from rilctl.stages.plans.closing import output_section

TrainingVerb = Literal["train", "sft"]


def plan(context: StageContext) -> Plan:
    """What `run` would do: the student and every benchmark; nothing is written, and no extra is needed."""
    config = _config(context)
    found = find_suite(config.suite, context.base_dir)
    facts = [Fact("student", _planned_student(context, config))]
    facts.append(Fact("suite", found.suite.name, note=found.suite.about))
    if config.limit is not None:
        facts.append(Fact("limit", config.limit, note="questions of each task, the first ones"))
    if found.suite.extra is not None:
        facts.append(Fact("needs", f"pip install 'rilctl[{found.suite.extra}]'"))
    benchmarks = [
        Fact(benchmark.name, benchmark.num_questions, note=benchmark.describe()) for benchmark in found.suite.benchmarks
    ]
    sections = (Section("work", tuple(facts)), Section("questions", tuple(benchmarks)), output_section(context))
    return Plan("eval", sections)


def run(context: StageContext) -> StageResult:
    """Ask what the call cache doesn't hold, score, and write `evaluation` and `responses`."""
    config = _config(context)
    found = find_suite(config.suite, context.base_dir)
    _refuse_unavailable(found)
    student, entry = _find_student(context, config)
    evaluation: EvaluationEngine = OwnEvaluation(_tasks_folder(context, found))
    settings = {
        key: value
        for benchmark in found.suite.benchmarks
        for key, value in evaluation.settings(benchmark, limit=config.limit).items()
    }
    suite_entry = InputEntry(role="suite", kind="data", name=found.suite.name, digest=found.digest)
    semantic: dict[str, JsonValue] = {
        "eval": semantic_config(config.model_copy(update={"student": None, "suite": found.suite.name})),
        "dtype": student.dtype,
        "scored_with": {**settings},
    }
    resolved = context.recipe.model_copy(update={"eval": config}).model_dump(mode="json", by_alias=True)
    with open_run(
        context.out,
        verb="eval",
        config={**resolved, "scored_with": {**settings}},
        semantic=semantic,
        inputs=[entry, suite_entry],
    ) as this_run:
        done = this_run.finished({"evaluation": "evaluation", "responses": "responses"})
        if done is not None:
            return up_to_date(done)
        results = _evaluate(context, config, student, evaluation, found.suite.benchmarks)
        metrics = _metrics(found.suite.benchmarks, results, config.confidence)
        rejected = [row for result in results for row in result.rejected]
        responses = this_run.writer("responses", role="responses")
        responses.write_rows(row for result in results for row in result.responses)
        responses.write_rejected(rejected)
        responses_summary = responses.commit()
        writer = this_run.writer("evaluation", role="evaluation")
        writer.write_rows(row for result in results for row in result.records)
        writer.write_rejected(rejected)
        outputs = {"evaluation": writer.commit(metrics=metrics), "responses": responses_summary}
    for row in rejected[:5]:
        context.reporter.warn(f"question `{row.sample_id}` of {row.source} has no score: {row.message}")
    return StageResult(
        outputs, num_rejected=len(rejected), summary=_table(found.suite.benchmarks, results, config.confidence)
    )


def _evaluate(
    context: StageContext,
    config: EvalConfig,
    student: ModelConfig,
    evaluation: EvaluationEngine,
    benchmarks: Iterable[Benchmark],
) -> list[BenchmarkResult]:
    """All benchmarks; every answer is in the call cache before the next chunk is asked, so a kill loses one chunk."""

    def on_chunk(num: int) -> None:
        context.reporter.advance(num)
        context.check_stop()

    results = []
    engine = open_generation(student, config.engine, context.base_dir, warn=context.reporter.warn)
    with closing(engine), CallCache(context.root) as cache:
        for benchmark in benchmarks:
            cached = CachedGeneration(
                engine,
                cache,
                chunk=config.engine.rows_per_batch,
                on_begin=partial(_begin, context.reporter, benchmark.name),
                on_chunk=on_chunk,
            )
            results.append(evaluation.evaluate(benchmark, cached, limit=config.limit, seed=config.seed))
            context.reporter.end()
    return results


def _begin(reporter: Reporter, benchmark: str, num_questions: int) -> None:
    reporter.begin(f"eval {benchmark}", total=num_questions, unit="questions")


def _config(context: StageContext) -> EvalConfig:
    return context.recipe.eval or EvalConfig()


def _refuse_unavailable(found: FoundSuite) -> None:
    """Say plainly why a suite that needs another engine can't run. Raises `UsageError`."""
    suite = found.suite
    if suite.extra is None:
        return
    if importlib.util.find_spec("lmms_eval") is None:
        raise UsageError(
            f"suite `{suite.name}` needs lmms-eval, which is not installed",
            hint=f"pip install 'rilctl[{suite.extra}]'; `--dry-run` lists its benchmarks without it",
        )
    tasks = ",".join(task for benchmark in suite.benchmarks for task in benchmark.tasks)
    raise UsageError(
        f"suite `{suite.name}` is only listed: this version of rilctl runs tasks of its own",
        hint=f"lmms-eval reads a student's directory as it is: `python -m lmms_eval --tasks {tasks} …`",
    )


def _tasks_folder(context: StageContext, found: FoundSuite) -> Path:
    """The folder with the suite's tasks; the built-in ones are written there with their data, for lmms-eval as well."""
    if not found.is_built_in:
        return found.tasks_folder
    folder = context.root / ".cache" / "suites" / found.suite.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in digits_files().items():
            file = folder / name
            if not file.is_file() or file.read_bytes() != content:
                write_atomic(file, content)
    except OSError as error:
        raise UsageError(f"can't write `{folder}`: {error.strerror}", hint="check `[workspace].root`") from error
    return folder


def _find_student(context: StageContext, config: EvalConfig) -> tuple[ModelConfig, InputEntry]:
    """What the recipe names, else its most trained student that is there."""
    verb = _last_trained(context) if config.student is None else None
    named = str(resolve(context.upstream(verb), "student")) if verb is not None else config.student
    return find_student(context, named, after="eval")


def _last_trained(context: StageContext) -> TrainingVerb | None:
    """The last verb of this recipe that has trained a student, or has begun to."""
    verbs: tuple[TrainingVerb, ...] = ("train", "sft")
    return next((verb for verb in verbs if (context.upstream(verb) / RUN).exists()), None)


def _planned_student(context: StageContext, config: EvalConfig) -> str:
    """Which student `run` would take; nothing is downloaded to find out."""
    if config.student is not None:
        return config.student
    if (verb := _last_trained(context)) is not None:
        return f"{context.upstream(verb)} ({verb})"
    if context.recipe.sft is not None:
        return f"{context.upstream('sft')} (sft, not there yet)"
    return context.recipe.student.model if context.recipe.student is not None else "none is named yet"


def _metrics(
    benchmarks: Sequence[Benchmark], results: Sequence[BenchmarkResult], confidence: float
) -> dict[str, float]:
    """For each benchmark its accuracy with bounds and number of questions, and `accuracy`, the mean over benchmarks."""
    metrics: dict[str, float] = {}
    means = []
    for benchmark, result in zip(benchmarks, results, strict=True):
        if not result.records:
            continue
        name = benchmark.tasks[0] if len(benchmark.tasks) == 1 else benchmark.name
        scores = [record.score for record in result.records]
        means.append(fmean(scores))
        metrics |= {f"{name}/accuracy": means[-1], f"{name}/num_questions": float(len(scores))}
        if bounds := _bounds(scores, confidence):
            metrics |= {f"{name}/low": bounds[0], f"{name}/high": bounds[1]}
    if len(means) == len(benchmarks):
        metrics["accuracy"] = fmean(means)
    return metrics


def _bounds(scores: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Wilson's interval, where every question is either right or wrong."""
    if not set(scores) <= {0.0, 1.0}:
        return None
    interval = wilson_interval(scores.count(1.0), len(scores), confidence)
    return interval.low, interval.high


def _table(
    benchmarks: Sequence[Benchmark], results: Sequence[BenchmarkResult], confidence: float
) -> dict[str, float | str]:
    """One line for each benchmark, in percent, and the mean."""
    table: dict[str, float | str] = {}
    for benchmark, result in zip(benchmarks, results, strict=True):
        scores = [record.score for record in result.records]
        if not scores:
            table[benchmark.name] = "no question could be asked"
            continue
        bounds = _bounds(scores, confidence)
        interval = f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} at {confidence:.0%})" if bounds else ""
        table[benchmark.name] = f"{100 * fmean(scores):.1f} %{interval}, {len(scores):,} questions"
    if len(benchmarks) > 1 and all(result.records for result in results):
        means = [fmean(record.score for record in result.records) for result in results]
        table["mean"] = f"{100 * fmean(means):.1f} %"
    return table
