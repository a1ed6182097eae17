"""Who reads what people and programs hand to us, each in this process: it may refuse an input in its own words only."""

import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

from rilctl.artifacts.manifests import parse_manifest
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.sealed import seal
from rilctl.artifacts.tables import read_shard
from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.data import ChatData, DataConfig, FolderData, JsonlData, LlavaData, ParquetData
from rilctl.config.fields import ModelConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe
from rilctl.config.suite import find_suite
from rilctl.data.rows import read_samples
from rilctl.data.sample import ImageRef, Sample
from rilctl.data.sources.open import open_source
from rilctl.engines.endpoints.error_bodies import error_code, error_message
from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.endpoints.replies import read_object, read_reply
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.prompt import read_json, read_tag
from rilctl.engines.judging.rule import RuleJudge
from rilctl.errors import RilctlError, RowError
from rilctl.models.discriminator import read_card
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.cache_teacher.imports import read_imports
from rilctl.stages.judge.inputs import read_stdin
from rilctl.stages.shared.context import StageContext
from rilctl.testing.prompts import drawn_prompt

from . import seeds

MAX_PX = 1_000_000


@dataclass(frozen=True)
class Kind:
    """What is read.

    Args:
        read: reads such an input; may raise `RilctlError`, `RowError` and, of replies, `Retriable`.
        seeds: good inputs.
        at_once_s: longest time that one may take.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    at_once_s: float = 5.0


@contextmanager
def file_of(content: bytes, name: str) -> Iterator[Path]:
    """A file with that content, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content)
        yield file


def read_recipe(content: bytes) -> None:
    with file_of(content, "recipe.toml") as file:
        load_recipe([file])


def read_suite(content: bytes) -> None:
    with file_of(content, "suite.toml") as file:
        find_suite(str(file), file.parent)


def read_override(content: bytes) -> None:
    load_recipe([], [content.decode(errors="surrogateescape")])


def read_a_manifest(content: bytes) -> None:
    """As it is, and as if whoever changed it had made a new digest."""
    with file_of(content, "manifest.json") as file:
        try:
            parse_manifest(file)
        except RilctlError:
            file.write_bytes(_sealed_anew(content))
            parse_manifest(file)


def read_a_run(content: bytes) -> None:
    with file_of(content, "run.json") as file:
        try:
            read_run(file.parent)
        except RilctlError:
            file.write_bytes(_sealed_anew(content))
            read_run(file.parent)


def _sealed_anew(content: bytes) -> bytes:
    at = content.rfind(b'"file_digest": "')
    if at < 0:
        return content
    start = at + len(b'"file_digest": "')
    return seal(content[:start] + content[start + 64 :]) if content[start + 64 : start + 65] == b'"' else content


def read_data(name: str, config: Callable[[str], DataConfig]) -> Callable[[bytes], None]:
    """Rows and their pictures, as far as a verb looks at them before it starts."""

    def read(content: bytes) -> None:
        with file_of(content, name) as file:
            for number, picture in enumerate(seeds.pictures()[:2], start=1):
                (file.parent / f"{number}.png").write_bytes(picture)
            table = open_source(config(file.name), file.parent)
            for row in read_samples(table, MAX_PX):
                if isinstance(row, Sample):
                    "".join((row.id, row.question, row.answer, row.response)).encode()
                    for image in row.images:
                        with _bad_rows():
                            image.check()
                            image.load()

    return read


@contextmanager
def _bad_rows() -> Iterator[None]:
    try:
        yield
    except RowError as error:
        said(error)


def said(error: RilctlError | RowError | Retriable) -> None:
    """A message is there, and can be printed; whoever is to do something is told what."""
    assert error.message and error.message.encode(), "no message"
    if isinstance(error, RilctlError):
        assert error.hint and error.hint.encode(), f"no hint: {error.message}"


def read_picture(content: bytes) -> None:
    for look in (ImageRef.check, ImageRef.load, ImageRef.for_the_web, ImageRef.fetched):
        with _bad_rows():
            look(ImageRef(content, "row 1", MAX_PX))
    ImageRef(content, "row 1", MAX_PX).check()


def read_a_shard(content: bytes) -> None:
    with file_of(content, "rows.parquet") as file:
        for row in read_shard(file, ResponseRecord):
            row.model_dump_json()


def read_reply_body(content: bytes) -> None:
    body = read_object(content)
    (error_message(body) + error_code(body)).encode(errors="replace")
    reply = read_reply(body)
    read_json(reply.text)
    read_tag(reply.text)
    reply.text.encode()
    if reply.usage:
        float(reply.usage.input_tokens + reply.usage.output_tokens)  # what it cost


def read_verdict(content: bytes) -> None:
    """Question, ground truth and response, which a rule judges."""
    question, answer, response = [*content.decode(errors="replace").split("\0"), "", ""][:3]
    (verdict,) = RuleJudge(RuleJudgeConfig()).verdicts([JudgeRequest(question, answer, response)])
    verdict.reason.encode()


def read_import_file(content: bytes) -> None:
    with file_of(content, "answers.jsonl") as file:
        context = StageContext(Recipe(), "recipe", file.parent, file.parent, SilentReporter(), "rilctl …")
        config = CacheTeacherConfig(imports=(file.name,))
        read_imports(context, config, {"qwen"}, {"q1", "2"})


def read_piped(content: bytes) -> None:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(content))):
        for row in read_stdin().rows:
            repr(row).encode()


def read_metrics_log(content: bytes) -> None:
    with file_of(content, "metrics.jsonl") as file:
        read_metrics(file)


def read_disc_card(content: bytes) -> None:
    with file_of(content, "discriminator.json") as file:
        read_card(file.parent)


@cache
def _model_files() -> dict[str, list[bytes]]:
    return seeds.models()


def read_model(name: str) -> Callable[[bytes], None]:
    """A model directory of which one file is that content."""

    def read(content: bytes) -> None:
        import torch

        from rilctl.models.loaded.vlm import load_vlm

        with file_of(content, name) as file:
            for other, (good,) in _model_files().items():
                if other != name:
                    (file.parent / other).write_bytes(good)
            vlm = load_vlm(ModelConfig(model=str(file.parent)), base_dir=file.parent, device=torch.device("cpu"))
            drawn_prompt(vlm, "what is it?", [])

    return read


CARD = {"input": "response", "loss": "bce", "base_digest": "0" * 64, "lora": {"rank": 4}}
IMPORTS = [
    {"teacher": "qwen", "sample_id": "q1", "text": "answer 4"},
    {"teacher": "qwen", "sample_id": "2", "text": "5"},
]
PIPED = [{"question": "q", "answer": 4, "text": "4"}, {"answer": ["a", "b"], "response": "a, b", "response_index": 1}]
METRICS = [{"step": 1, "sft/loss": 0.5}, {"step": 2, "sft/loss": 1e-9}]
OVERRIDES = [
    b"train.num_steps=100",
    b'teachers."a.b".model="x"',
    b"train.optim={ lr = 1e-5 }",
    b"data.path=questions.jsonl",
]


KINDS: dict[str, Kind] = {
    "recipe": Kind(read_recipe, seeds.recipes),
    "suite": Kind(read_suite, seeds.suites),
    "override": Kind(read_override, lambda: OVERRIDES),
    "manifest": Kind(read_a_manifest, seeds.manifests),
    "run": Kind(read_a_run, seeds.runs),
    "jsonl": Kind(
        read_data("q.jsonl", lambda n: JsonlData(type="jsonl", path=n, columns={"images": "image"})),
        lambda: [seeds.lines(seeds.ROWS)],
    ),
    "llava": Kind(
        read_data("q.json", lambda n: LlavaData(type="llava", path=n)),
        lambda: [json.dumps(seeds.LLAVA).encode(), seeds.lines(seeds.LLAVA)],
    ),
    "chat": Kind(
        read_data("q.json", lambda n: ChatData(type="chat", path=n)),
        lambda: [json.dumps(seeds.CHAT).encode(), seeds.lines(seeds.CHAT)],
    ),
    "csv": Kind(
        read_data("table.csv", lambda n: FolderData(type="folder", path=".", table=n, columns={"images": "image"})),
        lambda: [b'id,image,question,answer\nq1,1.png;2.png,"what, then?",4\nq2,,"a\n""b""",5\n'],
    ),
    "parquet": Kind(
        read_data("q.parquet", lambda n: ParquetData(type="parquet", path=n, columns={"images": "image"})),
        seeds.tables,
        at_once_s=20,
    ),
    "shard": Kind(read_a_shard, seeds.shards),
    "picture": Kind(read_picture, seeds.pictures),
    "reply": Kind(read_reply_body, seeds.replies),
    "verdict": Kind(read_verdict, lambda: ["\0".join(row).encode() for row in seeds.JUDGED]),
    "imports": Kind(read_import_file, lambda: [seeds.lines(IMPORTS)]),
    "piped": Kind(read_piped, lambda: [seeds.lines(PIPED)]),
    "metrics": Kind(read_metrics_log, lambda: [seeds.lines(METRICS)]),
    "card": Kind(read_disc_card, lambda: [json.dumps(CARD).encode()]),
}
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "model.safetensors",
)
KINDS |= {
    f"model-{name}": Kind(read_model(name), lambda name=name: _model_files()[name], at_once_s=20)  # type: ignore[misc]
    for name in MODEL_FILES
}
