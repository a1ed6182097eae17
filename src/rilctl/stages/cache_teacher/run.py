"""`cache-teacher`: every teacher answers every question N times, once for all runs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import JsonValue

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.config.cache_teacher import TeacherConfig
from rilctl.config.fields import SamplingConfig, semantic_config
from rilctl.data.sample import Sample
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.secrets import key_if_there
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response, Usage, questions_at_once
from rilctl.errors import InterruptedByUser, RowError
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.schemas.records import FinishReason, RejectedRecord, ResponseRecord
from rilctl.stages.cache_teacher.batch_files import BatchAnswers, read_results, refuse_missing, write_batches
from rilctl.stages.cache_teacher.imports import Imports, read_imports
from rilctl.stages.cache_teacher.sight import look, refuse_blind
from rilctl.stages.cache_teacher.teachers import (
    cache_teacher_config,
    check_keys,
    find_teachers,
    opened_teacher,
    teacher_entry,
    teacher_requests,
    teacher_sampling,
)
from rilctl.stages.cache_teacher.texts import plain_text, special_tokens
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import data_entry, load_data, mean, present, up_to_date
from rilctl.stages.shared.pending import missing_calls


def run(context: StageContext) -> StageResult:
    """Answer what the call cache doesn't hold, then write the artifact."""
    config, teachers = cache_teacher_config(context), find_teachers(context)
    data = load_data(context)
    imports = read_imports(context, config, set(teachers), {sample.id for sample in data.samples})
    if config.write_batch is not None:
        files = write_batches(context, config, teachers, data, imports)
        return StageResult({}, files=tuple(map(str, files)))
    results = read_results(context, config, teachers)
    inputs = [data_entry(data), *(teacher_entry(context, name, teacher) for name, teacher in teachers.items())]
    semantic: dict[str, JsonValue] = {
        "cache-teacher": semantic_config(config.model_copy(update={"teachers": tuple(teachers)})),
        "teachers": {name: semantic_config(teacher) for name, teacher in teachers.items()},
        "imports": {"\t".join(key): [*texts] for key, texts in sorted(imports.items())},
    }
    resolved = context.recipe.model_copy(update={"cache_teacher": config, "teachers": teachers})
    with open_run(
        context.out,
        verb="cache-teacher",
        config=resolved.model_dump(mode="json"),
        semantic=semantic,
        inputs=inputs,
        roles={"teacher-cache": "teacher-cache"},
        waiting=context.waiting,
        retry_rejected=context.retry_rejected,
    ) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
        if results is None:
            check_keys(context, teachers)
        writer = artifact_run.writer("teacher-cache")
        writer.write_rejected(data.rejected)
        rejected: list[RejectedRecord] = []
        tally = _Tally()
        try:
            for name, teacher in teachers.items():
                asker = Asker("teacher", teacher.model, context.out)
                with CallCache(context.root, asker) as cache:
                    ask = _Asking(context, cache, name, teacher, imports, tally, rejected)
                    with _answering(context, name, teacher, results) as engine:
                        if config.check_sight and not isinstance(engine, BatchAnswers):
                            ask.check_sight(engine, data.samples)
                        writer.write_rows(ask.rows(engine, data.samples))
        except InterruptedByUser:
            _commit(writer, rejected, tally, status="partial")
            raise
        refuse_missing(rejected)
        summary = _commit(writer, rejected, tally, status="complete")
        for row in rejected[:5]:
            context.reporter.warn(f"row `{row.sample_id}` rejected by {row.source}: {row.message}")
        num_rejected = len(data.rejected) + len(rejected)
        return StageResult({"teacher-cache": summary}, num_rejected=num_rejected, summary=dict(tally.metrics()))


class _Tally:
    """Counts what teachers said."""

    def __init__(self) -> None:
        self.num_tokens: defaultdict[str, list[int]] = defaultdict(list)
        self.stopped: list[bool] = []
        self.usage: dict[str, Usage] = {}
        self.costs: defaultdict[str, float] = defaultdict(float)

    def add(self, name: str, teacher: TeacherConfig, response: Response) -> None:
        """Count one response."""
        if response.num_tokens is not None:
            self.num_tokens[name].append(response.num_tokens)
        self.stopped.append(response.finish_reason == "stop")
        if response.usage is not None and teacher.endpoint is not None:
            self.usage[name] = self.usage.get(name, Usage()) + response.usage
            if (cost := cost_of(teacher.endpoint, response.usage)) is not None:
                self.costs[name] += cost

    def metrics(self) -> dict[str, float]:
        """Lengths, and what the answers of endpoints cost, whichever run asked for them."""
        found: dict[str, float | None] = {f"mean_tokens/{name}": mean(nums) for name, nums in self.num_tokens.items()}
        for name, usage in self.usage.items():
            found[f"input_tokens/{name}"] = float(usage.input_tokens)
            found[f"output_tokens/{name}"] = float(usage.output_tokens)
        found |= {f"cost/{name}": cost for name, cost in self.costs.items()}
        return present({**found, "stopped_share": mean(self.stopped)})


def _commit(
    writer: ArtifactWriter,
    rejected: list[RejectedRecord],
    tally: _Tally,
    *,
    status: Literal["complete", "partial"],
) -> ArtifactSummary:
    writer.write_rejected(rejected)
    return writer.commit(status=status, metrics=tally.metrics())


def _answering(
    context: StageContext, name: str, teacher: TeacherConfig, results: dict[str, Any] | None
) -> AbstractContextManager[GenerationEngine]:
    if results is not None and teacher.endpoint is not None:
        return nullcontext(BatchAnswers(teacher, results, Mask(key_if_there(teacher.endpoint, context.base_dir))))
    return opened_teacher(context, name, teacher)


@dataclass
class _Asking:
    """One teacher being asked; what can't be answered goes to `rejected`."""

    context: StageContext
    cache: CallCache
    name: str
    teacher: TeacherConfig
    imports: Imports
    tally: _Tally
    rejected: list[RejectedRecord] = field(default_factory=list)

    def check_sight(self, engine: GenerationEngine, samples: Sequence[Sample]) -> None:
        """Where anything is still to be asked, see that the teacher sees. Raises `RilctlError` where it doesn't."""
        config, reporter = cache_teacher_config(self.context), self.context.reporter
        sampling = teacher_sampling(config, self.teacher)
        requests = teacher_requests(config, self.name, samples, self.imports, self.teacher.system)
        if not any(_lacks(engine, self.cache, request, sampling) for request in requests):
            return
        found = look(engine, config, self.teacher, samples)
        if found is None:
            return
        refuse_blind(self.name, found)
        if found.sees:
            reporter.say(f"teacher {self.name} sees pictures: {found.why}")
        else:
            reporter.warn(f"whether the teacher `{self.name}` sees pictures isn't known: {found.why}")

    def rows(self, engine: GenerationEngine, samples: Sequence[Sample]) -> Iterator[ResponseRecord]:
        """Responses, question by question; imported ones come first and count toward N."""
        context, name, config = self.context, self.name, cache_teacher_config(self.context)
        requests = teacher_requests(config, name, samples, self.imports, self.teacher.system)
        context.reporter.begin(f"teacher {name}", total=len(requests), unit="questions")

        def on_chunk(num: int) -> None:
            context.reporter.advance(num)
            context.check_stop()

        answers = cached_responses(
            engine,
            self.cache,
            requests,
            teacher_sampling(config, self.teacher),
            chunk=questions_at_once(engine.rows_at_once, config.num_responses),
            on_chunk=on_chunk,
            check_stop=context.check_stop,
        )
        for sample, answer in zip(samples, answers, strict=True):
            if isinstance(answer, RowError):
                self.rejected.append(RejectedRecord.of(sample.id, name, answer))
                continue
            imported = self.imports.get((name, sample.id), [])
            for index, text in enumerate(imported[: config.num_responses]):
                yield from self._plain(_record(name, sample, index, text, "imported", None))
            for index, response in enumerate(answer, start=len(imported)):
                self.tally.add(name, self.teacher, response)
                record = _record(
                    name, sample, index, response.text, response.finish_reason, response.recorded_token_ids
                )
                yield from self._plain(record)
        context.reporter.end()

    def _plain(self, record: ResponseRecord) -> Iterator[ResponseRecord]:
        """The record without end tokens in its text; none, and a rejected row, where it is no plain text."""
        try:
            yield record.model_copy(update={"text": plain_text(record.text, self._special_tokens)})
        except RowError as error:
            named = RowError(error.reason, f"response {record.response_index}: {error.message}")
            self.rejected.append(RejectedRecord.of(record.sample_id, self.name, named))

    @cached_property
    def _special_tokens(self) -> tuple[str, ...]:
        return special_tokens(self.teacher, self.context.base_dir)


def _lacks(engine: GenerationEngine, cache: CallCache, request: GenerationRequest, sampling: SamplingConfig) -> bool:
    """Whether an answer is missing that can be asked for."""
    try:
        return bool(missing_calls(engine.model_digest, cache, request, sampling))
    except RowError:
        return False


def _record(
    teacher: str, sample: Sample, index: int, text: str, finish_reason: FinishReason, token_ids: list[int] | None
) -> ResponseRecord:
    return ResponseRecord(
        sample_id=sample.id,
        source=teacher,
        side="teacher",
        response_index=index,
        question=sample.question,
        answer=sample.answer,
        image_digests=sample.conversation.image_digests,
        context=[*sample.conversation.context] or None,
        text=text,
        token_ids=token_ids,
        finish_reason=finish_reason,
    )
