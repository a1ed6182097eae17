"""Our own runner: tasks in lmms-eval's form, on any generation engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from rilctl.config.suite import Benchmark
from rilctl.data.sample import ImageRef
from rilctl.engines.evaluation.asked import Question, questions_digest
from rilctl.engines.evaluation.base import AskedQuestions, BenchmarkResult
from rilctl.engines.evaluation.own_tasks import Doc, Task, load_task
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.engines.generation.records import student_record
from rilctl.errors import DataError, RowError
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord

_DOC_ERRORS = (KeyError, IndexError, AttributeError, TypeError, ValueError, OSError)
"""What a task's functions raise for a document that they can't handle."""


@dataclass(frozen=True, eq=False)
class _Asked(Question):
    """A question and the document that it is scored with."""

    doc: Doc


class OwnEvaluation:
    """An `EvaluationEngine` for tasks in lmms-eval's form.

    Args:
        tasks_folder: where the tasks' YAML files or their folders are.
    """

    def __init__(self, tasks_folder: Path) -> None:
        self._folder = tasks_folder
        self._read: dict[str, tuple[Task, list[_Asked | RejectedRecord]]] = {}

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """See `EvaluationEngine`. Raises `ConfigError` and `DataError` where a task or its data can't be read."""
        settings: dict[str, str] = {}
        for task, questions in self._tasks(benchmark, limit):
            asked = [question for question in questions if isinstance(question, _Asked)]
            settings |= {
                f"{task.name}.task": task.digest,
                f"{task.name}.questions": questions_digest(asked),
                f"{task.name}.num_questions": str(len(asked)),
                f"{task.name}.first_prompt": asked[0].request.question if asked else "",
                f"{task.name}.sampling": task.sampling.model_dump_json(),
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
        records: list[EvaluationRecord] = []
        responses: list[ResponseRecord] = []
        rejected: list[RejectedRecord] = []
        for task, questions in self._tasks(benchmark, limit):
            rejected += [question for question in questions if isinstance(question, RejectedRecord)]
            requests = _requests(questions, seed)
            answers = generation.generate(list(requests.values()), task.sampling)
            for question, answer in zip(requests, answers, strict=True):
                try:
                    record, response = _score(task, question, answer)
                except RowError as error:
                    rejected.append(RejectedRecord.of(question.request.sample_id, task.name, error))
                else:
                    records.append(record)
                    responses.append(response)
        return BenchmarkResult(tuple(records), tuple(responses), tuple(rejected))

    def _tasks(self, benchmark: Benchmark, limit: int | None) -> Iterator[tuple[Task, list[_Asked | RejectedRecord]]]:
        for name in benchmark.tasks:
            if name not in self._read:
                task = load_task(name, self._folder, benchmark.max_new_tokens)
                self._read[name] = task, [_question(task, index, doc) for index, doc in enumerate(_read_docs(task))]
            task, questions = self._read[name]
            yield task, questions[:limit]


def _requests(questions: Sequence[_Asked | RejectedRecord], seed: int) -> dict[_Asked, GenerationRequest]:
    """The questions that can be asked, each with its request."""
    asked = [question for question in questions if isinstance(question, _Asked)]
    return {question: question.seeded(seed) for question in asked}


def _score(
    task: Task, question: _Asked, answer: tuple[Response, ...] | RowError
) -> tuple[EvaluationRecord, ResponseRecord]:
    """Raises `RowError` where the question was not answered, or the task can't score the response."""
    if isinstance(answer, RowError):
        raise answer
    text = task.cut(answer[0].text)
    try:
        score = task.score(question.doc, text)
    except _DOC_ERRORS as error:
        raise RowError("task-function", f"process_results: {type(error).__name__}: {error}") from error
    if not isfinite(score):
        raise RowError("task-function", f"process_results: the score is {score}")
    record = EvaluationRecord(
        benchmark=task.name,
        sample_id=question.request.sample_id,
        question=question.request.question,
        answer=question.answer,
        text=text,
        score=score,
    )
    return record, student_record(question.request, question.answer, answer[0])


def _read_docs(task: Task) -> Iterator[Doc]:
    """The task's documents, through `datasets`, in their order. Raises `DataError`."""
    from datasets import load_dataset

    options: dict[str, Any] = dict(task.config.get("dataset_kwargs") or {})
    if "data_files" in options:
        options["data_files"] = _beside(task.folder, options["data_files"])
    name, split = task.config.get("dataset_name"), task.config["test_split"]
    try:
        yield from load_dataset(task.config["dataset_path"], name, split=split, streaming=True, **options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"task `{task.name}`: its data can't be read: {reason}", hint=f"check dataset_path in `{task.folder}`"
        ) from error


def _beside(folder: Path, files: Any) -> Any:
    """Relative data files start at the task's folder, whatever the working directory is."""
    if isinstance(files, dict):
        return {split: _beside(folder, some) for split, some in files.items()}
    if isinstance(files, list):
        return [_beside(folder, file) for file in files]
    return files if "://" in files else str(folder / files)


def _question(task: Task, index: int, doc: Doc) -> _Asked | RejectedRecord:
    sample_id = str(doc.get("id", index))
    try:
        images = tuple(
            ImageRef(partial(_itself, picture), f"{task.name} {sample_id} image {number}")
            for number, picture in enumerate(task.visuals(doc))
        )
        request = GenerationRequest(sample_id, task.text(doc), images, ())
        return _Asked(request, task.target(doc), doc)
    except _DOC_ERRORS as error:
        return RejectedRecord.of(sample_id, task.name, RowError("task-function", f"{type(error).__name__}: {error}"))


def _itself(picture: Any) -> Any:
    return picture
