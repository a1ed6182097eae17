"""`eval`: a student on a suite; every question's response and score, the benchmarks' scores with their intervals."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.layout import MANIFEST, naming
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.artifacts.runs import Run, open_run
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import ModelConfig, OtherPicture, semantic_config
from rilctl.config.suite import Benchmark, FoundSuite, Suite, find_suite
from rilctl.engines.evaluation.base import BenchmarkResult, EvaluationEngine
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.openai import open_endpoint
from rilctl.reporting.benchmark_tables import markdown_row, table
from rilctl.reporting.benchmarks import SuiteScores, difference_figures, from_metrics, picture_figures, to_metrics
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.eval.engines import check_needs, find_mirror, open_evaluation
from rilctl.stages.eval.judging import open_judge_calls
from rilctl.stages.eval.pictures import Looked, evaluate_beside, looked_scores
from rilctl.stages.eval.reference import Reference, compared, read_reference
from rilctl.stages.eval.settings import describe_settings, image_size
from rilctl.stages.eval.shards import MadeOf, answer_shard, find_shard
from rilctl.stages.eval.subject import chosen, eval_config, find_evaluated
from rilctl.stages.shared.cached_calls import CachedGeneration
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import up_to_date
from rilctl.stages.shared.pulse import Pulse


def run(context: StageContext) -> StageResult:
    """Ask what the call cache doesn't hold, score, and write `evaluation` and `responses`."""
    config = eval_config(context)
    found = find_suite(config.suite, context.base_dir)
    suite = chosen(found, config)
    reference = read_reference(context, config, suite)
    find_mirror(context, config)
    with open_judge_calls(context, suite) as judge:
        check_needs(context, config, found, suite, has_judge=judge is not None)
        student, entry = find_evaluated(context, config)
        evaluation = open_evaluation(context, config, found, judge, partial(_scored, context))
        settings = {
            "engine": "endpoint" if config.endpoint else config.engine.type,
            "image_size": "" if config.endpoint else image_size(context, student),
        }
        for benchmark in suite.benchmarks:
            settings |= evaluation.settings(benchmark, limit=config.limit)
        made_of = _made_of(config, found, student, entry, settings)
        shard = find_shard(config)
        if shard is not None:
            asking = partial(_asking, context, config, student)
            return answer_shard(context, config, shard, suite, evaluation, asking, made_of)
        with _open(context, config, made_of, settings) as this_run:
            done = this_run.finished()
            if done is not None:
                figures = _show(context, config, suite, settings, Path(done["evaluation"].path), reference)
                return replace(up_to_date(done), figures=figures)
            this_run.refuse_mixture(resumes=not (this_run.path / "evaluation" / MANIFEST).exists())
            looked = _evaluate(context, config, student, evaluation, suite.benchmarks)
            return _write(context, config, suite, this_run, looked, settings, reference)


def _made_of(
    config: EvalConfig, found: FoundSuite, student: ModelConfig, entry: InputEntry, settings: dict[str, str]
) -> MadeOf:
    """What decides the answers and their scores, of the whole as of a shard."""
    meaning: dict[str, JsonValue] = {key: text for key, text in settings.items() if not key.endswith(".data")}
    return MadeOf(
        semantic={
            "eval": semantic_config(config.model_copy(update={"student": None, "suite": found.suite.name})),
            "dtype": student.dtype,
            "scored_with": meaning,
        },
        inputs=[entry, InputEntry(role="suite", kind="data", name=found.suite.name, digest=found.digest)],
    )


@contextmanager
def _open(context: StageContext, config: EvalConfig, made_of: MadeOf, settings: dict[str, str]) -> Iterator[Run]:
    resolved = context.recipe.model_copy(update={"eval": config}).model_dump(mode="json", by_alias=True)
    with open_run(
        context.out,
        verb="eval",
        config={**resolved, "scored_with": {**settings}},
        semantic=made_of.semantic,
        inputs=made_of.inputs,
        roles={"evaluation": "evaluation", "responses": "responses"},
        waiting=context.waiting,
        retry_rejected=context.retry_rejected,
    ) as this_run:
        yield this_run


def _write(
    context: StageContext,
    config: EvalConfig,
    suite: Suite,
    this_run: Run,
    looked: Looked,
    settings: dict[str, str],
    reference: Reference | None,
) -> StageResult:
    """Both artifacts, and the table."""
    scores, results = looked_scores(suite, looked, config), looked.results
    metrics = to_metrics(scores)
    rejected = [row for result in results for row in result.rejected]
    responses = this_run.writer("responses", role="responses")
    responses.write_rows(row for result in results for row in result.responses)
    responses.write_rejected(rejected)
    responses_summary = responses.commit()
    writer = this_run.writer("evaluation", role="evaluation")
    writer.write_rows(row for result in results for row in result.records)
    writer.write_rejected(rejected)
    name = this_run.inputs[0].name
    table = writer.staging() / "table.md"
    with naming(table):
        table.write_text(markdown_row(name, scores, describe_settings(suite.benchmarks, settings)), encoding="utf-8")
    outputs = {"evaluation": writer.commit(metrics=metrics), "responses": responses_summary}
    for row in rejected[:5]:
        context.reporter.warn(f"question `{row.sample_id}` of {row.source} has no score: {row.message}")
    figures = _show(context, config, suite, settings, Path(outputs["evaluation"].path), reference)
    return StageResult(outputs, num_rejected=len(rejected), summary=_summary(scores), figures=figures)


def _summary(scores: SuiteScores) -> dict[str, float | str]:
    """The mean under the name that it deserves, or the only benchmark's score; the table has the rest."""
    if scores.mean is None:
        return {"score": "no question has a score"}
    if len(scores.scores) > 1:
        return {scores.mean_name: round(scores.mean, 2)}
    (only,) = scores.scores
    others = {f"{only.name}, picture {e.name}": round(e.score, 2) for e in only.pictures if e.score is not None}
    return {only.name: round(scores.mean, 2), **others}


def _show(
    context: StageContext,
    config: EvalConfig,
    suite: Suite,
    settings: dict[str, str],
    evaluation: Path,
    reference: Reference | None,
) -> dict[str, float]:
    """The table, the reference beside it, and what changes scores under it.

    Returns:
        The differences from the reference, and what other pictures cost, by name.
    """
    scores = from_metrics(read_manifest(evaluation).metrics, suite.columns, is_part=config.asks_a_part)
    beside = None
    if reference is not None:
        records = [row for row in read_rows(evaluation, EvaluationRecord) if row.picture is None]
        beside = compared(reference, suite, scores, records, settings, config.confidence)
    context.reporter.say(table(scores, beside, config.confidence))
    for line in [*(beside.notes if beside is not None else ()), *describe_settings(suite.benchmarks, settings)]:
        context.reporter.say(f"  {line}")
    return (difference_figures(beside) if beside is not None else {}) | picture_figures(scores)


def _evaluate(
    context: StageContext,
    config: EvalConfig,
    student: ModelConfig,
    evaluation: EvaluationEngine,
    benchmarks: Sequence[Benchmark],
) -> Looked:
    """All benchmarks; every answer is in the call cache before the next chunk is asked, so a kill loses one chunk."""
    own = list[BenchmarkResult]()
    others: dict[OtherPicture, list[BenchmarkResult]] = {picture: [] for picture in config.other_pictures}
    with _asking(context, config, student) as cached:
        for benchmark in benchmarks:
            context.reporter.say(
                f"eval {benchmark.name}: {len(benchmark.tasks)} tasks"
                if len(benchmark.tasks) > 1
                else f"eval {benchmark.name}"
            )
            own.append(evaluation.evaluate(benchmark, cached, limit=config.limit, seed=config.seed))
            context.reporter.end()
            for picture, results in others.items():
                context.reporter.say(f"eval {benchmark.name}, picture {picture}")
                results.append(evaluate_beside(evaluation, benchmark, cached, config, picture))
                context.reporter.end()
    return Looked(own, others)


@contextmanager
def _asking(context: StageContext, config: EvalConfig, student: ModelConfig) -> Iterator[CachedGeneration]:
    """The student behind the call cache."""
    reporter = context.reporter

    def on_begin(num_questions: int) -> None:
        reporter.begin("eval", total=num_questions, unit="questions")

    def on_chunk(num: int) -> None:
        reporter.advance(num)
        context.check_stop()

    with ExitStack() as held:
        engine = held.enter_context(closing(_open_engine(context, config, student)))
        asker = Asker("student", engine.model_name, context.out)
        cache = held.enter_context(CallCache(context.root, asker))
        yield CachedGeneration(
            engine,
            cache,
            chunk=engine.rows_at_once,
            on_begin=on_begin,
            on_chunk=on_chunk,
            check_stop=context.check_stop,
        )


def _open_engine(context: StageContext, config: EvalConfig, student: ModelConfig) -> GenerationEngine:
    warn, check_stop, base_dir = context.reporter.warn, context.check_stop, context.base_dir
    if config.endpoint is not None:
        role = "the student"
        return open_endpoint(student.model, config.endpoint, base_dir, role=role, warn=warn, check_stop=check_stop)
    return open_generation(
        student, config.engine, base_dir, warn=warn, check_stop=check_stop, between_tokens=Pulse(context)
    )


def _scored(context: StageContext) -> None:
    context.check_stop()
