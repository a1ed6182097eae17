"""`cache-teacher`: every teacher answers every question N times, once for all runs."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.writer import ArtifactWriter
from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.fields import ModelConfig, TeacherConfig, semantic_config
from rilctl.config.registry import MODELS, default_dtype
from rilctl.config.suggest import did_you_mean
from rilctl.data.sample import Sample
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation
from rilctl.errors import ConfigError, DataError, InterruptedByUser, RowError
from rilctl.models.source import check_name
from rilctl.schemas.manifest import ArtifactSummary, InputEntry
from rilctl.schemas.records import FinishReason, RejectedRecord, ResponseRecord
from rilctl.stages.cached_calls import cached_responses
from rilctl.stages.context import Plan, StageContext, StageResult
from rilctl.stages.inputs import data_entry, load_data, mean, model_entry, present, row_seed, up_to_date

IMPORT_KEYS = ("teacher", "sample_id", "text")
Imports = dict[tuple[str, str], list[str]]
"""Texts that exist already, by (teacher, sample id)."""


def plan(context: StageContext) -> Plan:
    """What `run` would do."""
    config, teachers = _config(context), _teachers(context)
    num_questions = len(load_data(context).samples)
    num_responses = num_questions * config.num_responses
    lines = {"questions": f"{num_questions:,}"}
    for name, teacher in teachers.items():
        check_name(teacher.model, base_dir=context.base_dir)
        registered = MODELS.get(teacher.model)
        sampling = teacher.sampling or config.sampling
        where = f"{registered.model} ({registered.about})" if registered else teacher.model
        tokens = f"at most {num_responses * sampling.max_new_tokens:,} tokens"
        lines[f"teacher {name}"] = f"{where}: {num_responses:,} responses, {tokens}"
    lines["output"] = str(context.out)
    return Plan("cache-teacher", lines)


def run(context: StageContext) -> StageResult:
    """Answer what the call cache doesn't hold, then write the artifact."""
    config, teachers = _config(context), _teachers(context)
    data = load_data(context)
    imports = _read_imports(context, config, set(teachers), {sample.id for sample in data.samples})
    inputs = [data_entry(data), *(_teacher_entry(context, name, teacher) for name, teacher in teachers.items())]
    semantic: dict[str, JsonValue] = {
        "cache-teacher": semantic_config(config.model_copy(update={"teachers": tuple(teachers)})),
        "teachers": {name: semantic_config(teacher) for name, teacher in teachers.items()},
        "imports": {"\t".join(key): [*texts] for key, texts in sorted(imports.items())},
    }
    resolved = context.recipe.model_copy(update={"cache_teacher": config, "teachers": teachers})
    with open_run(
        context.out, verb="cache-teacher", config=resolved.model_dump(mode="json"), semantic=semantic, inputs=inputs
    ) as artifact_run:
        done = artifact_run.finished({"teacher-cache": "teacher-cache"})
        if done is not None:
            return up_to_date(done)
        writer = artifact_run.writer("teacher-cache")
        writer.write_rejected(data.rejected)
        rejected: list[RejectedRecord] = []
        tally = _Tally()
        try:
            with CallCache(context.root) as cache:
                for name, teacher in teachers.items():
                    writer.write_rows(tally.count(_ask(context, cache, name, teacher, data.samples, imports, rejected)))
        except InterruptedByUser:
            _commit(writer, rejected, tally, status="partial")
            raise
        summary = _commit(writer, rejected, tally, status="complete")
        for row in rejected[:5]:
            context.reporter.warn(f"row `{row.sample_id}` rejected by {row.source}: {row.message}")
        num_rejected = len(data.rejected) + len(rejected)
        return StageResult({"teacher-cache": summary}, num_rejected=num_rejected, summary=dict(tally.metrics()))


class _Tally:
    """Counts responses as they pass."""

    def __init__(self) -> None:
        self.num_tokens: defaultdict[str, list[int]] = defaultdict(list)
        self.stopped: list[bool] = []

    def count(self, rows: Iterator[ResponseRecord]) -> Iterator[ResponseRecord]:
        for row in rows:
            if row.token_ids is not None:
                self.num_tokens[row.source].append(len(row.token_ids))
                self.stopped.append(row.finish_reason == "stop")
            yield row

    def metrics(self) -> dict[str, float]:
        lengths = {f"mean_tokens/{name}": mean(nums) for name, nums in self.num_tokens.items()}
        return present({**lengths, "stopped_share": mean(self.stopped)})


def _commit(
    writer: ArtifactWriter,
    rejected: list[RejectedRecord],
    tally: _Tally,
    *,
    status: Literal["complete", "partial"],
) -> ArtifactSummary:
    writer.write_rejected(rejected)
    return writer.commit(status=status, metrics=tally.metrics())


def _ask(
    context: StageContext,
    cache: CallCache,
    name: str,
    teacher: TeacherConfig,
    samples: tuple[Sample, ...],
    imports: Imports,
    rejected: list[RejectedRecord],
) -> Iterator[ResponseRecord]:
    """One teacher's responses, question by question; imported ones come first and count toward N."""
    config = _config(context)
    sampling = teacher.sampling or config.sampling
    engine = open_generation(_model_config(teacher), config.engine, context.base_dir, warn=context.reporter.warn)
    first = {sample.id: len(imports.get((name, sample.id), ())) for sample in samples}
    requests = [
        GenerationRequest(
            sample.id,
            sample.question,
            sample.images,
            tuple(row_seed(config.seed, sample.id, index) for index in range(first[sample.id], config.num_responses)),
        )
        for sample in samples
    ]
    context.reporter.begin(f"teacher {name}", total=len(requests), unit="questions")

    def on_chunk(num: int) -> None:
        context.reporter.advance(num)
        context.check_stop()

    chunk = max(1, engine.rows_at_once // config.num_responses)
    with closing(engine):
        answers = cached_responses(engine, cache, requests, sampling, chunk=chunk, on_chunk=on_chunk)
        for sample, answer in zip(samples, answers, strict=True):
            if isinstance(answer, RowError):
                rejected.append(
                    RejectedRecord(sample_id=sample.id, source=name, reason=answer.reason, message=answer.message)
                )
                continue
            for index, text in enumerate(imports.get((name, sample.id), [])[: config.num_responses]):
                yield _record(name, sample, index, text, "imported", None)
            for index, response in enumerate(answer, start=first[sample.id]):
                yield _record(name, sample, index, response.text, response.finish_reason, response.recorded_token_ids)
    context.reporter.end()


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
        image_digests=[image.digest for image in sample.images],
        text=text,
        token_ids=token_ids,
        finish_reason=finish_reason,
    )


def _config(context: StageContext) -> CacheTeacherConfig:
    return context.recipe.cache_teacher or CacheTeacherConfig()


def _teachers(context: StageContext) -> dict[str, TeacherConfig]:
    """The teachers to ask: `[teachers.NAME]` tables, else built-in names, directories and hub ids as they stand."""
    tables = context.recipe.teachers
    names = _config(context).teachers or tuple(tables)
    if not names:
        raise ConfigError(
            "no teacher is named", hint="use `--teachers qwen72b,internvl78b`, or a [teachers.NAME] table in the recipe"
        )
    found: dict[str, TeacherConfig] = {}
    for name in names:
        if name in tables:
            found[name] = tables[name]
        else:
            check_name(name, base_dir=context.base_dir, others=tables)
            found[name] = TeacherConfig(model=name)
    return {name: t.model_copy(update={"dtype": t.dtype or default_dtype(t.model)}) for name, t in found.items()}


def _model_config(teacher: TeacherConfig) -> ModelConfig:
    return ModelConfig(model=teacher.model, revision=teacher.revision, dtype=teacher.dtype)


def _teacher_entry(context: StageContext, name: str, teacher: TeacherConfig) -> InputEntry:
    return model_entry(context, f"teacher:{name}", _model_config(teacher))


def _read_imports(
    context: StageContext, config: CacheTeacherConfig, teachers: set[str], sample_ids: set[str]
) -> Imports:
    """Texts from JSON Lines files; what answers a question that isn't asked (held out, rejected) is left out.

    Raises:
        DataError: a file can't be read, a line is malformed, names a teacher that isn't asked (its answers would be
            paid for again), or no line answers any question; names file and line.
    """
    imports: Imports = defaultdict(list)
    for name in config.imports:
        path = context.base_dir / name
        num_used, unasked = 0, list[str]()
        for number, line in _import_lines(path):
            teacher, sample_id, text = _import_row(f"{path}:{number}", line)
            if teacher not in teachers:
                raise DataError(
                    f"{path}:{number}: teacher `{teacher}` is not asked in this run{did_you_mean(teacher, teachers)}",
                    hint="add it to `--teachers`, or take its lines out",
                )
            if sample_id in sample_ids:
                imports[teacher, sample_id].append(text)
                num_used += 1
            else:
                unasked.append(f"{path}:{number}: no question `{sample_id}` in [data]")
        if not num_used:
            raise DataError((*unasked, f"{path} holds no answers")[0], hint="sample_id must be the data set's id")
        if unasked:
            context.reporter.warn(f"{len(unasked)} imported answers are left out; {unasked[0]}")
    return dict(imports)


def _import_lines(path: Path) -> list[tuple[int, str]]:
    hint = "`--import` takes JSON Lines in UTF-8"
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # `splitlines` would cut at U+2028 inside a text
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start})", hint=hint) from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _import_row(where: str, line: str) -> tuple[str, str, str]:
    """Teacher, sample id and text of one line. Raises `DataError`."""
    hint = 'each line is `{"sample_id": "…", "teacher": "…", "text": "…"}`'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}", hint=hint) from error
    teacher, sample_id, text = (row.get(key) if isinstance(row, dict) else None for key in IMPORT_KEYS)
    if not (isinstance(teacher, str) and isinstance(sample_id, str) and isinstance(text, str) and text):
        raise DataError(f"{where}: needs the texts {', '.join(IMPORT_KEYS)}", hint=hint)
    try:
        (teacher + sample_id + text).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: half a surrogate pair, which no text can hold", hint=hint) from error
    return teacher, sample_id, text
