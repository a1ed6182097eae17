"""Provider batches: questions written to files that a provider answers for less, and its results read back.

A line is a request in the form of OpenAI's batch files. Its `custom_id` is the answer's key in the call cache, so a
result can only become the answer to the very question, pictures, sampling and seed that were asked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.layout import naming
from rilctl.config.cache_teacher import CacheTeacherConfig, TeacherConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.sample import SampleSet
from rilctl.engines.endpoints.error_bodies import error_message, quoted
from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.messages import chat_body
from rilctl.engines.endpoints.replies import Reply, read_json, read_reply
from rilctl.engines.generation.base import Ahead, Came, GenerationRequest, Response, collected
from rilctl.engines.generation.openai import endpoint_model_digest
from rilctl.errors import DataError, RilctlError, RowError, UsageError
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.cache_teacher.imports import Imports
from rilctl.stages.cache_teacher.teachers import teacher_requests, teacher_sampling
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.pending import missing_calls, response_key

MAX_REQUESTS = 50_000
MAX_BYTES = 100_000_000
"""Limits of one file; providers allow as much or more."""
_HINT = "each line is one result in the form of OpenAI's batch API: `custom_id`, `response`, `error`"


def write_batches(
    context: StageContext,
    config: CacheTeacherConfig,
    teachers: dict[str, TeacherConfig],
    data: SampleSet,
    imports: Imports,
) -> list[Path]:
    """Write what the call cache lacks of every teacher at an endpoint, as `NAME-00001.jsonl` and so on.

    Returns:
        The files; none where nothing is missing.

    Raises:
        UsageError: as `batched` does, or the folder has such files already.
    """
    remote, folder = batched(teachers), batch_folder(context, config)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"can't make `{folder}`: {error.strerror}", hint="choose another `--write-batch`") from error
    files: list[Path] = []
    with CallCache(context.root) as cache:
        for name, teacher in remote.items():
            requests = teacher_requests(config, name, data.samples, imports, teacher.system)
            lines = _lines(context, cache, name, teacher, requests, teacher_sampling(config, teacher))
            with naming(folder):
                files += _write_files(folder, name, lines)
    return files


def batched(teachers: dict[str, TeacherConfig]) -> dict[str, TeacherConfig]:
    """The teachers that batch files are for. Raises `UsageError` where there are none."""
    remote = {name: teacher for name, teacher in teachers.items() if teacher.endpoint is not None}
    if not remote:
        raise UsageError("no teacher answers at an endpoint", hint="batches are for `[teachers.NAME].endpoint`")
    return remote


def batch_folder(context: StageContext, config: CacheTeacherConfig) -> Path:
    """Where batch files go."""
    assert config.write_batch is not None
    return context.base_dir / config.write_batch


def read_results(
    context: StageContext, config: CacheTeacherConfig, teachers: dict[str, TeacherConfig]
) -> dict[str, dict[str, Any]] | None:
    """The results in batch files by `custom_id`; of two for one question, an answer counts before a failure.

    Returns:
        None where no file is named.

    Raises:
        DataError: a file can't be read, or a line is no result; names file and line.
        UsageError: as `batched` does.
    """
    if not config.read_batches:
        return None
    batched(teachers)
    results: dict[str, dict[str, Any]] = {}
    for name in config.read_batches:
        path = context.base_dir / name
        try:
            with path.open(encoding="utf-8-sig", newline="\n") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        key, result = _result(f"{path}:{number}", line)
                        if key not in results or _is_answered(result):
                            results[key] = result
        except OSError as error:
            raise DataError(f"{path} can't be read: {error.strerror or error}", hint=_HINT) from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text (byte {error.start})", hint=_HINT) from error
    return results


@dataclass
class BatchAnswers:
    """A `OneByOneEngine` that answers from a provider's results, and asks nobody.

    Args:
        teacher: whose answers they are; at an endpoint.
        results: by `custom_id`.
        mask: for the key, which reading them doesn't need.
    """

    teacher: TeacherConfig
    results: dict[str, dict[str, Any]]
    mask: Mask

    def __post_init__(self) -> None:
        assert self.teacher.endpoint is not None
        self.model_name = self.teacher.model
        self.model_digest = endpoint_model_digest(self.teacher.model, self.teacher.endpoint)
        self.rows_at_once = 1024

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        return collected(self.answers(requests, sampling, check_stop=lambda: None), requests)

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """See `OneByOneEngine`."""
        num = 0
        for request in requests:
            yield {} if request is None else dict(self._answers(num, request, sampling))
            num += request is not None
            check_stop()

    def close(self) -> None:
        """See `GenerationEngine`."""

    def _answers(
        self, index: int, request: GenerationRequest, sampling: SamplingConfig
    ) -> Iterator[tuple[tuple[int, int], Response | RowError]]:
        for number, seed in enumerate(request.seeds):
            try:
                yield (index, number), self._response(response_key(self.model_digest, request, sampling, seed))
            except RowError as error:
                yield (index, number), error

    def _response(self, key: str) -> Response:
        result = self.results.get(key)
        if result is None:
            raise RowError("batch-missing", "its answer is in no batch file that was read")
        reply = _reply(result)
        return Response(self.mask.answer(reply.text), None, reply.finish_reason, None, usage=reply.usage)


def refuse_missing(rejected: Sequence[RejectedRecord]) -> None:
    """Raise `RilctlError` where the batch files hold neither an answer nor a failure for some question."""
    if num := sum(row.reason == "batch-missing" for row in rejected):
        raise RilctlError(
            f"{num} questions have answers that are in no batch file that was read",
            hint="what was read is kept; name the other result files, or leave out `--read-batch` to ask the endpoint; "
            "if nothing fits, the recipe was changed since `--write-batch`",
        )


def _lines(
    context: StageContext,
    cache: CallCache,
    name: str,
    teacher: TeacherConfig,
    requests: Sequence[GenerationRequest],
    sampling: SamplingConfig,
) -> Iterator[str]:
    assert teacher.endpoint is not None
    digest = endpoint_model_digest(teacher.model, teacher.endpoint)
    context.reporter.begin(f"batch of {name}", total=len(requests), unit="questions")
    for request in requests:
        try:
            for key, seed in missing_calls(digest, cache, request, sampling):
                body = chat_body(teacher.model, request.conversation, sampling, seed=seed, endpoint=teacher.endpoint)
                line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
                yield json.dumps(line) + "\n"
        except RowError as error:
            context.reporter.warn(f"row `{request.sample_id}` is in no batch: {error.message}")
        context.reporter.advance()
        context.check_stop()
    context.reporter.end()


def _write_files(folder: Path, name: str, lines: Iterator[str]) -> list[Path]:
    if present := sorted(folder.glob(f"{name}-*.jsonl")):
        raise UsageError(f"`{present[0]}` is there already", hint="choose another directory with `--write-batch`")
    files: list[Path] = []
    unfinished = folder / f".{name}.writing"
    file: TextIO | None = None
    num_requests = num_bytes = 0

    def finish() -> None:
        if file is not None:
            file.close()
            files.append(folder / f"{name}-{len(files) + 1:05d}.jsonl")
            unfinished.rename(files[-1])

    try:
        for line in lines:
            if file is None or num_requests == MAX_REQUESTS or num_bytes + len(line) > MAX_BYTES:
                finish()
                file, num_requests, num_bytes = unfinished.open("w", encoding="ascii"), 0, 0
            file.write(line)
            num_requests, num_bytes = num_requests + 1, num_bytes + len(line)
        finish()
    finally:
        if file is not None:
            file.close()
        unfinished.unlink(missing_ok=True)
    return files


def _result(where: str, line: str) -> tuple[str, dict[str, Any]]:
    try:
        row = read_json(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {quoted(line.encode(errors='replace'))}", hint=_HINT) from error
    key = row.get("custom_id") if isinstance(row, dict) else None
    if not isinstance(key, str) or not row.keys() & {"response", "error"}:
        raise DataError(f"{where}: no result of a batch", hint=_HINT)
    return key, row


def _is_answered(result: dict[str, Any]) -> bool:
    try:
        _reply(result)
    except RowError:
        return False
    return True


def _reply(result: dict[str, Any]) -> Reply:
    """The answer in a result. Raises `RowError`, also where an endpoint would be asked again."""
    response, error = result.get("response"), result.get("error")
    body = response.get("body") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(body, dict) or response.get("status_code") != 200:
        said = error_message(body) if isinstance(body, dict) else error_message({"error": error})
        raise RowError("batch-failed", f"the batch has no answer: {said}")
    try:
        return read_reply(body)
    except Retriable as failure:
        raise RowError(failure.reason, failure.message) from None
