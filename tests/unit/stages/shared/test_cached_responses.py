"""Cached responses whose texts are read when they are needed, beside the way that reads them all."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_rows
from rilctl.artifacts.runs import open_run
from rilctl.config.recipe import Recipe
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.errors import ArtifactError
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_model
from rilctl.models.prompts.encode import encode_response
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord, VerdictRecord
from rilctl.stages.shared.cached_responses import CachedText, open_responses, own_responses, text_of
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.known_verdicts import known_verdicts, pass_rates
from rilctl.testing.small_vlms import build_small_vlm

TEXTS = ("4", "", "four, I think", "½ ﷺ ﬃ Å", "日本語の答え", "\n\n x̂ = −4 ⇒ 🙂‍↔️", " 4", "a" * 40, "<|im_end|>4")


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(Recipe(), "recipe", tmp_path, tmp_path / "out", SilentReporter(), "")


def response(name: str, source: str, index: int, text: str, question: str = "how many?") -> ResponseRecord:
    return ResponseRecord(
        sample_id=name,
        source=source,
        side="teacher",
        response_index=index,
        question=question,
        answer="4",
        image_digests=[],
        text=text,
        finish_reason="length" if index % 3 == 2 else "stop",
    )


def write(out: Path, rows: Sequence[ResponseRecord]) -> Path:
    roles = {"teacher-cache": "teacher-cache"}
    with open_run(out, verb="cache-teacher", config={}, semantic={}, inputs=[], roles=roles) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(rows)
        writer.commit()
    return out


def samples(*names: str) -> list[Sample]:
    return [Sample(name, Conversation.of("how many?"), answer="4", response="") for name in names]


def test_they_are_those_that_are_read_at_once(tmp_path: Path, context: StageContext) -> None:
    rows = [response(f"q{at % 5}", "qwen" if at < 20 else "intern", at, f"{at}") for at in range(40)]
    path = write(tmp_path / "cache", rows)
    asked = samples("q3", "q0", "unanswered", "q4")
    whole: dict[str, list[ResponseRecord]] = {}
    for row in read_rows(path, ResponseRecord):
        whole.setdefault(row.sample_id, []).append(row)
    found = open_responses(context, path, asked)
    for sample in asked:
        assert (sample.id in found) == (sample.id in whole)
        theirs = found.of(sample.id)
        texts = found.texts([each.number for each in theirs])
        assert [(*each[1:], text) for each, text in zip(theirs, texts, strict=True)] == [
            (row.source, row.finish_reason, row.response_index, row.text) for row in whole.get(sample.id, ())
        ]
        assert all(found.stopped_N[each.number] == (each.finish_reason != "length") for each in theirs)
    assert "q1" not in found and not found.of("q1")


def test_a_question_that_reads_differently_is_refused_and_so_are_no_answers(
    tmp_path: Path, context: StageContext
) -> None:
    path = write(tmp_path / "cache", [response("q0", "qwen", 0, "4"), response("q1", "qwen", 0, "4", "and now?")])
    assert "q0" in open_responses(context, path, samples("q0"))
    with pytest.raises(ArtifactError, match="question `q1` reads differently"):
        open_responses(context, path, samples("q0", "q1"))
    with pytest.raises(ArtifactError, match="no response to any question"):
        open_responses(context, path, samples("q2"))


def test_a_run_may_have_sampled_nothing(tmp_path: Path) -> None:
    found = own_responses(write(tmp_path / "none", []), samples("q0"))
    assert "q0" not in found and not found.of("q0")


def test_whether_a_text_is_empty_is_known_without_it(tmp_path: Path) -> None:
    path = write(tmp_path / "cache", [response("q0", "qwen", at, text) for at, text in enumerate(TEXTS)])
    found = own_responses(path, samples("q0"))
    texts = [CachedText(found, number) for number in range(len(TEXTS))]
    for shard in path.glob("*.parquet"):
        shard.unlink()  # what is open stays as it was
    assert [bool(text) for text in texts] == [bool(text) for text in TEXTS]
    assert tuple(map(text_of, texts)) == TEXTS


def test_no_text_has_more_tokens_than_is_said(tmp_path: Path, context: StageContext) -> None:
    model = build_small_vlm(tmp_path / "model")
    source = find_model(str(model), revision=None, base_dir=Path())
    encoder = Encoder(load_processor(source), source)
    path = write(tmp_path / "cache", [response("q0", "qwen", at, text) for at, text in enumerate(TEXTS)])
    found = open_responses(context, path, samples("q0"))
    for text, most in zip(TEXTS, found.most_tokens_N.tolist(), strict=True):
        assert len(encode_response(encoder, text, stopped=True)) <= most
        assert not text.isascii() or most == len(text) + 2


def test_the_last_verdict_counts_and_none_is_none(tmp_path: Path, context: StageContext) -> None:
    said = [("a", "q0", True), ("b", "q0", None), ("a", "q0", False), ("c", "q1", True), ("d", "q0", True)]
    rows = [
        VerdictRecord(
            response_digest=name * 64, sample_id=question, source="qwen", response_index=at, correct=right, reason="-"
        )
        for at, (name, question, right) in enumerate(said)
    ]
    with open_run(
        tmp_path / "said", verb="judge", config={}, semantic={}, inputs=[], roles={"verdicts": "verdicts"}
    ) as run:
        writer = run.writer("verdicts")
        writer.write_rows(rows)
        writer.commit()
    with pytest.raises(ArtifactError, match="1 of 5 responses have no verdict"):
        known_verdicts(context, run.path)
    recipe = Recipe.model_validate({"judge": {"type": "rule", "max_rejected_share": 0.5}})
    lenient = StageContext(recipe, "recipe", tmp_path, tmp_path / "out", SilentReporter(), "")
    known = known_verdicts(lenient, run.path)
    assert dict(known) == {"a" * 64: False, "c" * 64: True, "d" * 64: True} and len(known) == 3
    assert known.get("b" * 64) is None and known.get("x") is None and known.get("") is None
    assert pass_rates(lenient, run.path) == {"q0": 2 / 3, "q1": 1.0}
