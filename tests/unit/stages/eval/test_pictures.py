"""Questions beside other pictures than their own: what is asked, what is said of it, and who pays."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from rilctl.algorithms.statistics import paired_difference
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import SamplingConfig, semantic_config
from rilctl.data.conversation import Conversation
from rilctl.engines.evaluation.pictures import NO_OTHER, BesidePicture
from rilctl.engines.generation.base import GenerationRequest
from rilctl.errors import RowError
from rilctl.planning.plan import plan_object
from rilctl.schemas.records import EvaluationRecord, ResponseRecord
from rilctl.stages.eval import run as eval_stage
from rilctl.stages.eval.plan import plan
from rilctl.testing.scripted import ScriptedGeneration
from rilctl.testing.small_vlms import build_small_vlm

from .test_eval import ANSWERS, context, use


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("models") / "small")


class Looking:
    """Right where it sees the picture that it saw first; without one it is right on every fourth question."""

    def __init__(self) -> None:
        self.pictures: dict[str, list[str]] = {}

    def __call__(self, request: GenerationRequest, seed: int) -> str:
        own = self.pictures.setdefault(request.sample_id, request.conversation.image_digests)
        is_right = request.conversation.image_digests == own
        if not request.images:
            is_right = int(request.sample_id[-6:]) % 4 == 0
        return f"answer {ANSWERS[request.sample_id]}" if is_right else "no idea"


def records(folder: Path, picture: str | None) -> list[EvaluationRecord]:
    return [row for row in read_rows(folder / "out/evaluation", EvaluationRecord) if row.picture == picture]


def test_the_gap_between_pictures_with_its_paired_interval(tmp_path, model, monkeypatch):
    use(monkeypatch, Looking())
    result = eval_stage.run(context(tmp_path, model, picture=["none", "swapped"]))
    assert [len(records(tmp_path, picture)) for picture in (None, "swapped", "none")] == [40, 40, 40]
    assert {row.score for row in records(tmp_path, None)} == {1.0}
    assert {row.score for row in records(tmp_path, "swapped")} == {0.0}
    assert sum(row.score for row in records(tmp_path, "none")) == 10
    assert len(list(read_rows(tmp_path / "out/responses", ResponseRecord))) == 40

    metrics = read_manifest(tmp_path / "out/evaluation").metrics
    interval = paired_difference([True] * 40, [number % 4 == 0 for number in range(40)], 0.95)
    assert (metrics["Digits/score"], metrics["Digits/swapped/score"], metrics["Digits/none/score"]) == (100, 0, 25)
    assert (metrics["Digits/swapped/gap"], metrics["Digits/none/gap"]) == (100, 75)
    assert metrics["Digits/none/gap_low"] == pytest.approx(100 * interval.low)
    assert metrics["Digits/none/gap_high"] == pytest.approx(100 * min(1, interval.high))
    assert metrics["Digits/none/num_in_both"] == 40
    assert result.summary == {"Digits": 100.0, "Digits, picture swapped": 0.0, "Digits, picture none": 25.0}
    assert result.figures["Digits/none/gap"] == 75
    table = (tmp_path / "out/evaluation/table.md").read_text().splitlines()
    assert "| another question's | 0.0 | 0.0 to 8.8 | 40 | +100.0 |" in table[8]
    assert table[9].startswith("| none | 25.0 |")


def test_the_right_answers_are_asked_for_once_and_compare_as_ever(tmp_path, model, monkeypatch):
    engine = use(monkeypatch, Looking())
    plain = eval_stage.run(context(tmp_path / "plain", model, tables={"workspace": {"root": str(tmp_path / "w")}}))
    also = context(
        tmp_path / "also",
        model,
        tables={"workspace": {"root": str(tmp_path / "w")}},
        picture=["swapped"],
        reference=str(tmp_path / "plain/out/evaluation"),
    )
    result = eval_stage.run(also)
    assert len(engine.asked) == 80  # and not 120
    assert result.outputs["responses"].content_digest == plain.outputs["responses"].content_digest
    assert (result.figures["Digits/difference"], result.figures["Digits/num_in_both"]) == (0, 40)
    assert eval_stage.run(also).figures == result.figures


def test_shards_answer_for_every_picture(tmp_path, model, monkeypatch):
    engine = use(monkeypatch, Looking())
    for shard in ("0/2", "1/2"):
        eval_stage.run(context(tmp_path, model, picture=["swapped", "none"], shard=shard))
    assert len(engine.asked) == 120
    eval_stage.run(context(tmp_path, model, picture=["swapped", "none"]))
    assert len(engine.asked) == 120


def test_what_has_no_other_picture_is_left_out_and_not_rejected():
    def ask(picture, requests: Sequence[GenerationRequest]):
        return BesidePicture(ScriptedGeneration(lambda *_: "said"), picture, 0).generate(requests, SamplingConfig())

    alone = GenerationRequest("a", Conversation.of("no picture?"), (0,))
    for picture in ("swapped", "none"):
        (answer,) = ask(picture, [alone])
        assert isinstance(answer, RowError) and answer.reason == NO_OTHER


def test_the_key(tmp_path, model):
    assert EvalConfig(picture=("none", "swapped")).picture == ("right", "swapped", "none")
    assert EvalConfig(picture=("swapped", "right")).other_pictures == ("swapped",)
    assert "picture" not in semantic_config(EvalConfig())
    with pytest.raises(ValidationError, match="'right', 'swapped' or 'none'"):
        EvalConfig.model_validate_json(json.dumps({"picture": ["wrong"]}))
    assert "right, swapped" in json.dumps(plan_object(plan(context(tmp_path, model, picture=["swapped"]))))
