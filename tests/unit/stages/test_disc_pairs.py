"""What is paired with what."""

from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.config.recipe import Recipe
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.pretrain_disc.pairs import pair_up
from rilctl.stages.shared.cached_responses import CachedResponses, open_responses, own_responses
from rilctl.stages.shared.context import StageContext


def test_teachers_take_turns_and_neither_side_has_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def response(source: str, name: str, index: int, text: str | None = None) -> ResponseRecord:
        return ResponseRecord(
            sample_id=name,
            source=source,
            side="student" if source == "student" else "teacher",
            response_index=index,
            question="how many?",
            answer="4",
            image_digests=[],
            text=f"{source} {name} {index}" if text is None else text,
            finish_reason="stop",
        )

    rows = [response(source, name, index) for source in "ab" for name in ("q0", "q1") for index in range(2)]
    rows += [response("a", "q1", 2)]
    roles = {"teacher-cache": "teacher-cache"}
    with open_run(tmp_path / "cache", verb="cache-teacher", config={}, semantic={}, inputs=[], roles=roles) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(rows)
        writer.commit()
    samples = [Sample(name, Conversation.of("how many?"), answer="4", response="") for name in ("q1", "q0", "q2")]
    context = StageContext(Recipe(), "recipe", tmp_path, tmp_path / "out", SilentReporter(), "")
    said = {"q0": ["x", "y", "z"], "q1": [f"s{at}" for at in range(9)], "q2": ["w"]}
    own = [response("student", name, at, text) for name, texts in said.items() for at, text in enumerate(texts)]
    with open_run(
        tmp_path / "own", verb="pretrain-disc", config={}, semantic={}, inputs=[], roles={"responses": "responses"}
    ) as sampled:
        writer = sampled.writer("responses")
        writer.write_rows(own)
        writer.commit()
    with monkeypatch.context() as unread:
        unread.setattr(CachedResponses, "texts", lambda self, numbers: pytest.fail("a text is read"))
        pairs = pair_up(samples, own_responses(sampled.path, samples), open_responses(context, run.path, samples))
    assert [(pair.student_text, pair.teacher_text) for pair in pairs] == [
        ("s0", "a q1 0"),
        ("s1", "b q1 0"),
        ("s2", "a q1 1"),
        ("s3", "b q1 1"),
        ("s4", "a q1 2"),
        ("x", "a q0 0"),
        ("y", "b q0 0"),
        ("z", "a q0 1"),
    ]
