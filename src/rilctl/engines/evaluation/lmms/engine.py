"""An `EvaluationEngine` that hands lmms-eval's tasks to lmms-eval, with our engine as its model."""

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any, Final

from lmms_eval import evaluator
from lmms_eval.tasks import TaskManager

from rilctl.config.suite import Benchmark
from rilctl.engines.evaluation.asked import label, questions_digest
from rilctl.engines.evaluation.base import AskedQuestions, BenchmarkResult
from rilctl.engines.evaluation.lmms.judging import JudgeCalls, judge_access
from rilctl.engines.evaluation.lmms.loading import TaskLoader
from rilctl.engines.evaluation.lmms.model import EngineModel
from rilctl.engines.evaluation.lmms.questions import TaskQuestions, part_of, read_questions, revision_of
from rilctl.engines.evaluation.lmms.quiet import quiet
from rilctl.engines.evaluation.lmms.scoring import ROTATION, TaskScoring
from rilctl.engines.evaluation.lmms.statements import MAKERS, Question
from rilctl.engines.evaluation.lmms.templates import TaskTemplates
from rilctl.engines.evaluation.lmms.watched import TaskCanaries, TaskHearing
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.records import student_record
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.engines.judging.check import pooled
from rilctl.errors import RilctlError, RowError
from rilctl.private.lmms_eval import documents, fill_templates_with, scored_by
from rilctl.private.uses import require
from rilctl.schemas.records import EvaluationRecord, RejectedRecord

_SEEDS: Final = {"numpy_random_seed": 1234, "torch_random_seed": 1234, "fewshot_random_seed": 1234}
"""lmms-eval's own defaults; its parsers guess with Python's `random`, which gets the recipe's seed."""
_ROUNDING: Final = 1e-4
"""MathVista and MMMU round their mean."""
_NOT_MEANING: Final = frozenset({"dataset_path", "dataset_kwargs", "process_docs"})
"""Keys of a task's config that say where its data is, or stand in the suite."""


class LmmsEvaluation:
    """See `EvaluationEngine`.

    Args:
        folder: where a suite of one's own keeps its tasks; None: lmms-eval's.
        data_dir: a mirror of the data sets; None: the hub, or its local cache.
        judge: scores and reads answers where a benchmark needs that; None: those questions have no score.
        on_scored: called after each scored document; may raise to stop.
        shared_tasks: those that several benchmarks of the suite ask.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        data_dir: Path | None,
        judge: BenchmarkJudge | None,
        on_scored: Callable[[], None] = lambda: None,
        shared_tasks: Collection[str] = (),
    ) -> None:
        require("lmms_eval")
        fill_templates_with(TaskTemplates())
        self._shared = shared_tasks
        self._loader = TaskLoader(folder, data_dir)
        self._judge, self._on_scored = judge, on_scored
        self._read: dict[tuple[str, int | None], list[TaskQuestions]] = {}

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """See `EvaluationEngine`. Raises `ConfigError` and `DataError` where a task or its data can't be read."""
        settings = {"lmms-eval": importlib.metadata.version("lmms_eval")}
        if benchmark.judge != "none" and self._judge is not None:
            judge = self._judge.known
            settings |= {"judge": judge.model_name, "judge_digest": judge.model_digest[:16]}
        for questions in self._tasks(benchmark, limit):
            first = next(iter(questions.asked.values()), None)
            part_of(questions, benchmark)  # says before anything is asked that there is no such column
            name = label(benchmark.name, questions.name, self._shared)
            settings |= {
                f"{name}.task": _task_digest(questions.task),
                **self._loader.own_files(questions.name, f"{name}.files"),
                f"{name}.questions": questions_digest(questions.asked.values()),
                f"{name}.num_questions": str(len(questions.asked)),
                f"{name}.first_prompt": first.request.question if first is not None else "",
                f"{name}.sampling": questions.sampling.model_dump_json(),
                f"{name}.data": revision_of(questions.task),
            }
        return settings

    def questions(self, benchmark: Benchmark, *, limit: int | None, seed: int) -> list[AskedQuestions]:
        """See `EvaluationEngine`."""
        return [AskedQuestions(each.requests(seed), each.sampling) for each in self._tasks(benchmark, limit)]

    def evaluate(
        self, benchmark: Benchmark, generation: GenerationEngine, *, limit: int | None, seed: int
    ) -> BenchmarkResult:
        """See `EvaluationEngine`. Raises `RilctlError` where lmms-eval gives no score though there are responses."""
        calls = JudgeCalls(self._judge if benchmark.judge != "none" else None, is_score=benchmark.judge == "always")
        with judge_access(calls):
            parts = [
                _evaluate_task(questions, benchmark, generation, calls, limit, seed, self._on_scored, self._shared)
                for questions in self._tasks(benchmark, limit)
            ]
        return replace(_joined(parts), canaries=pooled(calls.checks))

    def _tasks(self, benchmark: Benchmark, limit: int | None) -> list[TaskQuestions]:
        key = benchmark.name, limit
        if key not in self._read:
            self._read[key] = [
                read_questions(task, max_new_tokens=benchmark.max_new_tokens, limit=limit)
                for task in self._loader.load(benchmark)
            ]
        return self._read[key]


def _evaluate_task(
    questions: TaskQuestions,
    benchmark: Benchmark,
    generation: GenerationEngine,
    calls: JudgeCalls,
    limit: int | None,
    seed: int,
    on_scored: Callable[[], None],
    shared_tasks: Collection[str],
) -> BenchmarkResult:
    """One task through lmms-eval's evaluator."""
    answered = generation.generate(questions.requests(seed), questions.sampling)
    answers = dict(zip(questions.asked, answered, strict=True))
    errors = {**questions.rejected, **{i: answer for i, answer in answers.items() if isinstance(answer, RowError)}}
    given = {i: answer[0] for i, answer in answers.items() if not isinstance(answer, RowError)}
    texts = {i: questions.cut(response.text) for i, response in given.items()}
    scoring = TaskScoring(
        questions.task,
        metric=benchmark.metric,
        scale=benchmark.scale,
        rotations=benchmark.rotations,
        calls=calls,
        errors=errors,
        on_scored=on_scored,
    )
    canaries = task_canaries(questions, benchmark, scoring)
    with (
        tempfile.TemporaryDirectory() as scratch,  # MMBench writes its categories there
        calls.watched(canaries, lambda judge: TaskHearing(judge, scoring.scored_with)),
    ):
        score = _run(questions, benchmark, scoring, texts, Path(scratch), limit, seed)
        is_mean = bool(scoring.scored.scores) and abs(fmean(scoring.scored.scores.values()) - score) <= _ROUNDING
        with quiet():
            resampled = () if is_mean or benchmark.rotations else scoring.resampled()
    scored = scoring.scored
    parts = part_of(questions, benchmark)
    name = label(benchmark.name, questions.name, shared_tasks)
    return BenchmarkResult(
        records=tuple(
            _record(questions, i, texts[i], value).model_copy(
                update={"benchmark": name, "guessed": i in scored.guessed, "part": parts(i)}
            )
            for i, value in scored.scores.items()
        ),
        responses=tuple(student_record(questions.asked[i].request, questions.asked[i].answer, given[i]) for i in given),
        rejected=tuple(
            RejectedRecord.of(f"{questions.name}/{i}", questions.name, scored.errors[i]) for i in sorted(scored.errors)
        ),
        score=score if scored.scores else None,
        resampled=resampled,
    )


def task_canaries(questions: TaskQuestions, benchmark: Benchmark, scoring: TaskScoring) -> TaskCanaries:
    """Canaries of a task, made of its documents; of a question in rotations its first one is taken."""
    rows = documents(questions.task)
    known = {
        i: Question(asked.request.question, asked.answer, rows[i])
        for i, asked in questions.asked.items()
        if not benchmark.rotations or int(rows[i]["index"]) < ROTATION
    }
    return TaskCanaries(questions.name, known, MAKERS.get(benchmark.judge, MAKERS["extraction"]), scoring.scored_with)


def _run(
    questions: TaskQuestions,
    benchmark: Benchmark,
    scoring: TaskScoring,
    texts: Mapping[int, str],
    scratch: Path,
    limit: int | None,
    seed: int,
) -> float:
    """The task's score by lmms-eval, 0 to 1; 0 where nothing has a score."""
    task = questions.task
    metric = benchmark.metric

    def answer(instances: Sequence[Any]) -> list[str]:
        return [texts.get(int(instance.doc_id), "") for instance in instances]

    try:
        with quiet(), scored_by(task, metric, scoring.process_results):
            results = evaluator.simple_evaluate(
                model=EngineModel(answer),
                tasks=[task],
                task_manager=TaskManager("ERROR", include_defaults=False),
                limit=limit,
                log_samples=False,
                bootstrap_iters=0,
                process_docs_parallel=1,
                random_seed=seed,
                cli_args=SimpleNamespace(output_path=str(scratch), process_with_media=False, reasoning_tags=None),
                **_SEEDS,
            )["results"][questions.name]
    except RilctlError:
        raise
    except Exception as error:  # tasks are programs; lmms-eval's own command would log this and exit with 0
        raise RilctlError(
            f"lmms-eval fails on task `{questions.name}`: {type(error).__name__}: {error}",
            hint="leave it out with `--tasks`; `--debug` shows where it fails",
        ) from error
    if not scoring.scored.values:
        return 0.0
    found = [value for key, value in results.items() if key.split(",")[0] == metric]
    if len(found) != 1:
        raise RilctlError(
            f"lmms-eval gives {len(found)} values of `{metric}` for task `{questions.name}`",
            hint="name a metric of the task in the suite",
        )
    return 0.0 if found[0] is None else float(found[0]) / benchmark.scale


def _record(questions: TaskQuestions, doc_id: int, text: str, score: float) -> EvaluationRecord:
    question = questions.asked[doc_id]
    return EvaluationRecord(
        benchmark=questions.name,
        sample_id=question.request.sample_id,
        question=question.request.question,
        answer=question.answer,
        text=text,
        score=score,
    )


def _joined(parts: Sequence[BenchmarkResult]) -> BenchmarkResult:
    """Several tasks as one benchmark: every question weighs the same."""
    scores = [(part.score, len(part.records)) for part in parts if part.score is not None]
    num = sum(weight for _, weight in scores)
    return BenchmarkResult(
        records=tuple(record for part in parts for record in part.records),
        responses=tuple(response for part in parts for response in part.responses),
        rejected=tuple(row for part in parts for row in part.rejected),
        score=sum(score * weight for score, weight in scores) / num if num else None,
        resampled=parts[0].resampled if len(parts) == 1 else (),
    )


def _task_digest(task: Any) -> str:
    """Identity of a task's config; functions count by name, and their code by lmms-eval's version."""
    names = [each.name for each in fields(task.config) if each.name not in _NOT_MEANING]
    config = {name: getattr(task.config, name) for name in names}  # its `to_dict` writes addresses of functions
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=_named).encode()).hexdigest()


def _named(value: object) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
