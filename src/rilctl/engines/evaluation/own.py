"""Our own runner: tasks in lmms-eval's form, on any generation engine."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from rilctl.config.suite import Benchmark
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.evaluation.asked import Question, label, questions_digest
from rilctl.engines.evaluation.base import AskedQuestions, BenchmarkResult
from rilctl.engines.evaluation.own_rows import DocRow, read_docs, rotation_of
from rilctl.engines.evaluation.own_tasks import Task, load_task
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.engines.generation.records import student_record
from rilctl.errors import RowError
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord

_DOC_ERRORS = (KeyError, IndexError, AttributeError, TypeError, ValueError, OSError, RecursionError)
"""What a task's functions raise for a document that they can't handle."""


@dataclass(frozen=True, eq=False)
class _Asked(Question):
    """A question and the document that it is scored with."""

    row: DocRow


class OwnEvaluation:
    """An `EvaluationEngine` for tasks in lmms-eval's form.

    Args:
        tasks_folder: where the tasks' YAML files or their folders are.
        shared_tasks: those that several benchmarks of the suite ask.
    """

    def __init__(self, tasks_folder: Path, shared_tasks: Collection[str] = ()) -> None:
        self._folder, self._shared = tasks_folder, shared_tasks
        self._read: dict[tuple[str, str, int | None], tuple[Task, list[_Asked | RejectedRecord]]] = {}

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """See `EvaluationEngine`. Raises `ConfigError` and `DataError` where a task or its data can't be read."""
        settings: dict[str, str] = {}
        for task, questions in self._tasks(benchmark, limit):
            asked = [question for question in questions if isinstance(question, _Asked)]
            name = label(benchmark.name, task.name, self._shared)
            settings |= {
                f"{name}.task": task.digest,
                f"{name}.questions": questions_digest(asked),
                f"{name}.num_questions": str(len(asked)),
                f"{name}.first_prompt": asked[0].request.question if asked else "",
                f"{name}.sampling": task.sampling.model_dump_json(),
            }
        return settings

    def questions(self, benchmark: Benchmark, *, limit: int | None, seed: int) -> list[AskedQuestions]:
        """See `EvaluationEngine`."""
        return [
            AskedQuestions(tuple(_requests(questions, seed).values()), task.sampling)
            for task, questions in self._tasks(benchmark, limit)
        ]

    def evaluate(
        self, benchmark: Benchmark, generation: GenerationEngine, *, limit: int | None, seed: int
    ) -> BenchmarkResult:
        """See `EvaluationEngine`."""
        parts = []
        for task, questions in self._tasks(benchmark, limit):
            requests = _requests(questions, seed)
            answers = generation.generate(list(requests.values()), task.sampling)
            pairs = list(zip(requests, answers, strict=True))
            unasked = tuple(question for question in questions if isinstance(question, RejectedRecord))
            parts.append(_scored(benchmark, task, label(benchmark.name, task.name, self._shared), pairs, unasked))
        return BenchmarkResult(
            records=tuple(record for part in parts for record in part.records),
            responses=tuple(response for part in parts for response in part.responses),
            rejected=tuple(row for part in parts for row in part.rejected),
        )

    def _tasks(self, benchmark: Benchmark, limit: int | None) -> Iterator[tuple[Task, list[_Asked | RejectedRecord]]]:
        for name in benchmark.tasks:
            key = benchmark.name, name, limit
            if key not in self._read:
                task = load_task(name, self._folder, benchmark.metric, benchmark.max_new_tokens)
                rows = islice(read_docs(task, benchmark), limit)
                self._read[key] = task, [_question(task, row) for row in rows]
            yield self._read[key]


def _requests(questions: Sequence[_Asked | RejectedRecord], seed: int) -> dict[_Asked, GenerationRequest]:
    """The questions that can be asked, each with its request."""
    asked = [question for question in questions if isinstance(question, _Asked)]
    return {question: question.seeded(seed) for question in asked}


def _scored(
    benchmark: Benchmark,
    task: Task,
    name: str,
    pairs: Sequence[tuple[_Asked, tuple[Response, ...] | RowError]],
    unasked: tuple[RejectedRecord, ...],
) -> BenchmarkResult:
    """One task's answers; documents that make one question together count once, if all of them have a score."""
    groups: dict[object, list[EvaluationRecord | RejectedRecord]] = {}
    responses: list[ResponseRecord] = []
    for question, answer in pairs:
        key = rotation_of(question.row.stored) if benchmark.rotations else question
        try:
            record, response = _score(benchmark, task, name, question, answer)
        except RowError as error:
            groups.setdefault(key, []).append(RejectedRecord.of(question.request.sample_id, task.name, error))
        else:
            groups.setdefault(key, []).append(record)
            responses.append(response)
    records: list[EvaluationRecord] = []
    rejected = list(unasked)
    for group in groups.values():
        scored = [row for row in group if isinstance(row, EvaluationRecord)]
        if len(scored) == len(group):
            records.append(scored[0].model_copy(update={"score": min(row.score for row in scored)}))
        else:
            rejected += [row if isinstance(row, RejectedRecord) else _without_others(row, task) for row in group]
    return BenchmarkResult(tuple(records), tuple(responses), tuple(rejected))


def _without_others(record: EvaluationRecord, task: Task) -> RejectedRecord:
    error = RowError("rotation-missing", "another rotation of the question has no score")
    return RejectedRecord.of(record.sample_id, task.name, error)


def _score(
    benchmark: Benchmark, task: Task, name: str, question: _Asked, answer: tuple[Response, ...] | RowError
) -> tuple[EvaluationRecord, ResponseRecord]:
    """Raises `RowError` where the question was not answered, or the task can't score the response."""
    if isinstance(answer, RowError):
        raise answer
    text = task.cut(answer[0].text)
    try:
        score = task.score(question.row.doc(), text)
    except _DOC_ERRORS as error:
        raise RowError("task-function", f"process_results: {type(error).__name__}: {error}") from error
    if not isfinite(score):
        raise RowError("task-function", f"process_results: the score is {score}")
    if not 0 <= score <= benchmark.scale:
        raise RowError(
            "score-out-of-scale", f"`{task.metric}` is {score:g}, and the suite's `scale` is {benchmark.scale:g}"
        )
    record = EvaluationRecord(
        benchmark=name,
        sample_id=question.request.sample_id,
        question=question.request.question,
        answer=question.answer,
        text=text,
        score=score / benchmark.scale,
        part=question.row.part,
    )
    return record, student_record(question.request, question.answer, answer[0])


def _question(task: Task, row: DocRow) -> _Asked | RejectedRecord:
    sample_id = str(row.stored.get("id", row.index))
    if row.error is not None:
        return RejectedRecord.of(sample_id, task.name, row.error)
    try:
        doc = row.doc()
        num_pictures, text, target = len(task.visuals(doc)), task.text(doc), task.target(doc)
    except _DOC_ERRORS as error:
        return RejectedRecord.of(sample_id, task.name, RowError("task-function", f"{type(error).__name__}: {error}"))
    images = tuple(
        ImageRef(partial(_picture, task, row, number), f"{task.name} {sample_id} image {number}")
        for number in range(num_pictures)
    )
    return _Asked(GenerationRequest(sample_id, Conversation.of(text, images), ()), target, row)


def _picture(task: Task, row: DocRow, number: int) -> Any:
    return task.visuals(row.doc())[number]
