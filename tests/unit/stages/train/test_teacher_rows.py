"""Cached responses as rows: which fit, and which are picked, beside a reference that tokenises all of them."""

import random
from pathlib import Path

import pytest
import torch

from rilctl.artifacts.runs import open_run
from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import Recipe
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import encode_response
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.shared.cached_responses import CachedResponses, open_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.train import teacher_rows
from rilctl.stages.train.teacher_rows import TeacherRows
from rilctl.testing.small_vlms import build_small_vlm

NAMES = [f"q{at}" for at in range(12)]


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    config = ModelConfig(model=str(build_small_vlm(tmp_path_factory.mktemp("model"))))
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"))


@pytest.fixture(scope="module")
def records() -> list[ResponseRecord]:
    chance = random.Random(0)
    return [
        ResponseRecord(
            sample_id=name,
            source=source,
            side="teacher",
            response_index=index,
            question="how many?",
            answer="4",
            image_digests=[],
            text=chance.choice(["", "é", "four "]) * chance.randint(0, 12) + str(index),
            finish_reason=chance.choice(["stop", "length", "imported"]),
        )
        for source in ("qwen", "intern")
        for name in NAMES
        for index in range(4)
    ]


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory, records: list[ResponseRecord]) -> CachedResponses:
    folder = tmp_path_factory.mktemp("cache")
    roles = {"teacher-cache": "teacher-cache"}
    with open_run(folder / "cache", verb="cache-teacher", config={}, semantic={}, inputs=[], roles=roles) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(records)
        writer.commit()
    samples = [Sample(name, Conversation.of("how many?"), answer="4", response="") for name in NAMES]
    context = StageContext(Recipe(), "recipe", folder, folder / "out", SilentReporter(), "")
    return open_responses(context, run.path, samples)


@pytest.mark.parametrize("max_tokens", [1, 3, 8, 30, 1000])
def test_the_rows_are_those_of_somebody_who_tokenises_all(
    vlm: Vlm, records: list[ResponseRecord], responses: CachedResponses, max_tokens: int
) -> None:
    fitting: dict[str, dict[str, list[tuple[str, tuple[int, ...]]]]] = {}
    num_too_long = 0
    for record in records:
        token_ids = encode_response(vlm, record.text, stopped=record.finish_reason != "length")
        num_too_long += len(token_ids) > max_tokens
        if 0 < len(token_ids) <= max_tokens:
            fitting.setdefault(record.sample_id, {}).setdefault(record.source, []).append((record.text, token_ids))
    rows = TeacherRows(vlm, responses, max_tokens=max_tokens, seed=7)
    assert rows.answered(NAMES) == fitting.keys()
    assert rows.num_too_long(NAMES) == (num_too_long, True)
    for name in NAMES:
        by_teacher = fitting.get(name, {})
        start, teachers = row_seed(7, "teacher", name, 5), sorted(by_teacher)
        expected = []
        for turn in range(6 if teachers else 0):
            theirs = by_teacher[teachers[(start + turn) % len(teachers)]]
            expected.append(theirs[(start // 97 + turn // len(teachers)) % len(theirs)])
        picked = rows.pick(name, 6, step=5)
        assert [(row.text, row.token_ids) for row in picked] == expected


def test_of_very_many_that_may_be_too_long_a_sample_is_counted(
    vlm: Vlm, responses: CachedResponses, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, _ = TeacherRows(vlm, responses, max_tokens=8, seed=0).num_too_long(NAMES)
    monkeypatch.setattr(teacher_rows, "_MOST_COUNTED", 30)
    found, is_exact = TeacherRows(vlm, responses, max_tokens=8, seed=0).num_too_long(NAMES)
    assert not is_exact and abs(found - exact) < 20


def test_what_surely_fits_is_not_tokenised(
    vlm: Vlm, responses: CachedResponses, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(teacher_rows, "encode_responses", lambda vlm, rows: asked.extend(rows) or [(1,)] * len(rows))
    rows = TeacherRows(vlm, responses, max_tokens=100_000, seed=0)
    assert rows.answered(NAMES) == {*NAMES} and not asked
    rows.pick("q0", 2, step=1)
    assert len(asked) <= 2 + sum(not responses.stopped_N[number] for number in responses.numbers("q0"))
