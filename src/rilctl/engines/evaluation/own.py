"""Our own runner: tasks in lmms-eval's form, on any generation engine."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from rilctl.config.suite import Benchmark
from rilctl.data.sample import ImageRef
from rilctl.engines.evaluation.base import AskedQuestions, BenchmarkResult
from rilctl.engines.evaluation.task_files import Doc, Task, load_task
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.errors import DataError, RowError
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord

_DOC_ERRORS = (KeyError, IndexError, AttributeError, TypeError, ValueError, OSError)
"""What a task's functions raise for a document that they can't handle."""


@dataclass(frozen=True, eq=False)
class _Question:
    """One document of a task, as it is asked."""

    sample_id: str
    doc: Doc
    text: str
    answer: str
    images: tuple[ImageRef, ...]


class OwnEvaluation:
    """An `EvaluationEngine` for tasks in lmms-eval's form.

    Args:
        tasks_folder: where the tasks' YAML files or their folders are.
    """

    def __init__(self, tasks_folder: Path) -> None:
        self._folder = tasks_folder
        self._read: dict[str, tuple[Task, list[_Question | RejectedRecord]]] = {}

    def settings(self, benchmark: Benchmark, *, limit: int | None) -> dict[str, str]:
        """See `EvaluationEngine`. Raises `ConfigError` and `DataError` where a task or its data can't be read."""
        settings: dict[str, str] = {}
        for task, questions in self._tasks(benchmark, limit):
            asked = [question for question in questions if isinstance(question, _Question)]
            settings |= {
                f"{task.name}.task": task.digest,
                f"{task.name}.questions": _digest(asked),
                f"{task.name}.num_questions": str(len(asked)),
                f"{task.name}.first_prompt": asked[0].text if asked else "",
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
                    rejected.append(_rejected(task, question.sample_id, error))
                else:
                    records.append(record)
                    responses.append(response)
        return BenchmarkResult(tuple(records), tuple(responses), tuple(rejected))

    def _tasks(
        self, benchmark: Benchmark, limit: int | None
    ) -> Iterator[tuple[Task, list[_Question | RejectedRecord]]]:
        for name in benchmark.tasks:
            if name not in self._read:
                task = load_task(name, self._folder, benchmark.max_new_tokens)
                self._read[name] = task, [_question(task, index, doc) for index, doc in enumerate(_read_docs(task))]
            task, questions = self._read[name]
            yield task, questions[:limit]


def _requests(questions: Sequence[_Question | RejectedRecord], seed: int) -> dict[_Question, GenerationRequest]:
    """The questions that can be asked, each with its request."""
    asked = [question for question in questions if isinstance(question, _Question)]
    return {q: GenerationRequest(q.sample_id, q.text, q.images, (_seed(seed, q.sample_id),)) for q in asked}


def _score(
    task: Task, question: _Question, answer: tuple[Response, ...] | RowError
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
        sample_id=question.sample_id,
        question=question.text,
        answer=question.answer,
        text=text,
        score=score,
    )
    response = ResponseRecord(
        sample_id=question.sample_id,
        source="student",
        side="student",
        response_index=0,
        question=question.text,
        answer=question.answer,
        image_digests=[image.digest for image in question.images],
        text=answer[0].text,
        token_ids=answer[0].recorded_token_ids,
        finish_reason=answer[0].finish_reason,
    )
    return record, response


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


def _question(task: Task, index: int, doc: Doc) -> _Question | RejectedRecord:
    sample_id = str(doc.get("id", index))
    try:
        images = tuple(
            ImageRef(partial(_itself, picture), f"{task.name} {sample_id} image {number}")
            for number, picture in enumerate(task.visuals(doc))
        )
        return _Question(sample_id, doc, task.text(doc), task.target(doc), images)
    except _DOC_ERRORS as error:
        return _rejected(task, sample_id, RowError("task-function", f"{type(error).__name__}: {error}"))


def _itself(picture: Any) -> Any:
    return picture


def _rejected(task: Task, sample_id: str, error: RowError) -> RejectedRecord:
    return RejectedRecord(sample_id=sample_id, source=task.name, reason=error.reason, message=error.message)


def _digest(questions: Sequence[_Question]) -> str:
    """Over ids, texts and pixels, so that neither paths nor the files' encoding count."""
    digest = hashlib.sha256()
    for question in questions:
        parts = (question.sample_id, question.text, question.answer, *(image.digest for image in question.images))
        digest.update(hashlib.sha256("\x1f".join(parts).encode(errors="surrogatepass")).digest())
    return digest.hexdigest()


def _seed(seed: int, sample_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{sample_id}".encode()).digest()[:8], "big") >> 1
