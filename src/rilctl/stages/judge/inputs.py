"""What `judge` reads: an artifact with responses, or JSON Lines on stdin."""

import hashlib
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import input_entry, read_manifest, read_rows, resolve
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig, RuleJudgeConfig
from rilctl.config.recipe import Verb
from rilctl.data.sample import ImageRef
from rilctl.data.strict_json import load_json
from rilctl.engines.judging.base import JudgeRequest
from rilctl.errors import ArtifactError, ConfigError, DataError, RowError
from rilctl.schemas.answers import answer_text
from rilctl.schemas.manifest import ArtifactKind, InputEntry
from rilctl.schemas.records import ContextTurn, RejectedRecord, ResponseRecord, RolloutRecord
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import load_data, refuse_rejected

STDIN = "-"
Images = Mapping[str, tuple[ImageRef, ...]]
"""Pictures of questions, by sample id."""
_ROW_TYPES: dict[ArtifactKind, type[ResponseRecord] | type[RolloutRecord]] = {
    "teacher-cache": ResponseRecord,
    "responses": ResponseRecord,
    "rollouts": RolloutRecord,
}
_ASKED_BY: dict[str, Verb] = {"teacher-cache": "cache-teacher", "responses": "pretrain-disc", "rollouts": "train"}
_LINE_HINT = '{"question": "…", "answer": "…", "text": "…"}'


@dataclass(frozen=True)
class JudgeRow:
    """One response to judge."""

    sample_id: str
    source: str
    response_index: int
    step: int | None
    question: str
    answer: str
    text: str
    context: tuple[ContextTurn, ...] = ()

    @property
    def has_truth(self) -> bool:
        """Whether anybody can judge it."""
        return bool(self.answer.strip())

    def request(self, images: Images) -> JudgeRequest:
        """As the judge is asked."""
        pictures = images.get(self.sample_id, ())
        return JudgeRequest(self.question, self.answer, self.text, pictures, self.context)


@dataclass(frozen=True)
class JudgeInput:
    """What is judged: rows, each good or rejected, and their lineage."""

    entry: InputEntry
    num_rows: int
    rows: Iterable[JudgeRow | RejectedRecord]


def judge_config(context: StageContext) -> JudgeConfig:
    """The recipe's `[judge]` table, or its defaults."""
    return context.recipe.judge or RuleJudgeConfig()


def looks(config: JudgeConfig) -> bool:
    """Whether the judge looks at the questions' pictures. Raises `ConfigError` for stdin, which has none."""
    if not isinstance(config, LlmJudgeConfig) or not config.sees_images:
        return False
    if config.source == STDIN:
        raise ConfigError("`judge.sees_images` needs [data], and stdin has no pictures", hint="judge an artifact")
    return True


def asked(context: StageContext, role: str) -> StageContext:
    """The surroundings of who asked the questions whose responses have this role: it decides which rows they are."""
    return replace(context, recipe=context.recipe.seen_by(_ASKED_BY.get(role, "cache-teacher")))


def read_images(context: StageContext, config: JudgeConfig, role: str) -> Images:
    """The pictures of the questions for a judge that looks at them, else none. Raises as `looks` does.

    Args:
        context: the stage's surroundings.
        config: the `[judge]` table.
        role: of what is judged.
    """
    if not looks(config):
        return {}
    return {sample.id: sample.images for sample in load_data(asked(context, role)).samples}


def find_source(context: StageContext, config: JudgeConfig) -> tuple[Path, ArtifactKind]:
    """The artifact to judge: what the recipe names, else its own teacher cache.

    Raises:
        ArtifactError: there is none, or it is a teacher cache with more rejected questions than the recipe allows.
    """
    kind: ArtifactKind = "teacher-cache"
    if config.source is None:
        path = resolve(context.upstream("cache-teacher"), kind)
    else:
        named = context.base_dir / config.source
        kind = _kind_at(named)
        path = resolve(named, kind)
    context.reporter.say(f"{kind}: {path}")
    if kind == "teacher-cache" and read_manifest(path).num_rejected:
        refuse_rejected(context, path, {row.sample_id for row in read_rows(path, ResponseRecord)})
    return path, kind


def _kind_at(path: Path) -> ArtifactKind:
    """Which kind of responses a person means by a directory, which may be an artifact or a run with several."""
    manifests = [path] if (path / MANIFEST).is_file() else [file.parent for file in sorted(path.glob(f"*/{MANIFEST}"))]
    kinds = {read_manifest(each).kind for each in manifests}
    if judged := sorted(kinds & _ROW_TYPES.keys()):
        return judged[0]
    if path.is_file():
        command = f"rilctl judge - < {shlex.quote(str(path))}"
        raise ArtifactError(f"`{path}` is a file", hint=f"rows of a file come on stdin: `{command}`")
    if kinds:
        raise ArtifactError(
            f"`{path}` holds no responses, but what is of kind {', '.join(sorted(kinds))}",
            hint="name a teacher-cache, responses or rollouts artifact, or `-` for JSON Lines on stdin",
        )
    return "responses"  # `resolve` says what is wrong with the path


def row_kind(role: str) -> ArtifactKind | None:
    """The kind of artifact that a `verdicts` artifact names by this role, if it holds responses."""
    return next((kind for kind in _ROW_TYPES if kind == role), None)


def read_source(path: Path, kind: ArtifactKind) -> JudgeInput:
    """The rows of an artifact of that kind."""
    return JudgeInput(
        entry=input_entry(kind, path),
        num_rows=read_manifest(path).num_rows or 0,
        rows=(
            JudgeRow(
                sample_id=row.sample_id,
                source=row.source,
                response_index=row.response_index,
                step=row.step if isinstance(row, RolloutRecord) else None,
                question=row.question,
                answer=row.answer,
                text=row.text,
                context=tuple(row.context or ()),
            )
            for row in read_rows(path, _ROW_TYPES[kind])
        ),
    )


def read_stdin() -> JudgeInput:
    """JSON Lines from stdin, whole: their digest decides what is up to date. Raises `DataError` on empty stdin."""
    content = sys.stdin.buffer.read()
    lines = [(number, line) for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
    if not lines:
        raise DataError("nothing came on stdin", hint=f"each line is `{_LINE_HINT}`")
    entry = InputEntry(role="responses", kind="data", name="stdin", digest=hashlib.sha256(content).hexdigest())
    return JudgeInput(entry, len(lines), (_parse_line(number, line) for number, line in lines))


def _parse_line(number: int, line: bytes) -> JudgeRow | RejectedRecord:
    try:
        return _row_from(number, _loaded(line))
    except RowError as error:
        located = RowError(error.reason, f"line {number}: {error.message}")
        return RejectedRecord.of(f"row {number}", "stdin", located)


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        loaded = load_json(line)
    except (ValueError, RecursionError) as error:
        raise RowError("json-invalid", f"no JSON in UTF-8: {error}") from error
    if not isinstance(loaded, dict):
        raise RowError("json-invalid", f"no JSON object; each line is {_LINE_HINT}")
    return loaded


def _row_from(number: int, fields: dict[str, Any]) -> JudgeRow:
    text = fields.get("text", fields.get("response"))
    answer, question, index = fields.get("answer"), fields.get("question", ""), fields.get("response_index", 0)
    if answer is None:
        raise RowError("field-missing", "no `answer`: a text, number, true, false or list")
    if not isinstance(text, str):
        raise RowError("field-missing", "no `text` (or `response`) of type text")
    if not isinstance(question, str):
        raise RowError("field-invalid", "`question` is no text")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 2**63:
        raise RowError("field-invalid", "`response_index` is no whole number from 0")
    row = JudgeRow(
        sample_id=str(fields.get("sample_id", f"row {number}")),
        source=str(fields.get("source", "stdin")),
        response_index=index,
        step=None,
        question=question,
        answer=answer_text(answer, "answer"),
        text=text,
    )
    try:
        "".join((row.sample_id, row.source, row.question, row.answer, row.text)).encode()
    except UnicodeEncodeError as error:
        raise RowError("text-invalid", "a lone surrogate, which no text can hold") from error
    return row
