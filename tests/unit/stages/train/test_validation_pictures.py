"""Validations beside other pictures: what is asked, what is measured, and that nothing else changes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rilctl.algorithms.statistics import paired_difference
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.reporting.metrics import read_metrics
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

TRAIN = ("train.algorithm.name=dr_grpo", "train.student=student", "train.num_steps=1", "train.num_student_rows=3")
SFT = ("sft.num_steps=1",)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_workspace(tmp_path_factory.mktemp("workspace")).parent


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bool]]:
    """What was called right in each call of the judge, by question; an answer is right where its letters say so."""
    calls: list[dict[str, bool]] = []

    def verdicts(_: RuleJudge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        right = [sum(request.response.encode()) % 2 == 0 for request in requests]
        calls.append({request.question: each for request, each in zip(requests, right, strict=True)})
        return [Verdict(each, None, "drawn") for each in right]

    monkeypatch.setattr(RuleJudge, "verdicts", verdicts)
    return calls


def weights(result: StageResult) -> str:
    return result.outputs["student"].content_digest


@pytest.mark.parametrize(("verb", "sets"), [("train", TRAIN), ("sft", SFT)])
def test_a_validation_beside_other_pictures_measures_the_gap_and_changes_nothing(
    verb, sets, workspace, judged, tmp_path
):
    plain = run_stage(workspace, verb, *sets, out=tmp_path / "plain")
    judged.clear()
    pictures = f"{verb}.validation_picture=['swapped', 'none']"
    result = run_stage(workspace, verb, *sets, pictures, out=tmp_path / "out")
    assert weights(result) == weights(plain)

    before, after = (read_metrics(tmp_path / name / "metrics.jsonl")[-1] for name in ("plain", "out"))
    new = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before
    own, *others = judged[-3:]
    assert len(own) > 2
    for picture, other in zip(("swapped", "none"), others, strict=True):
        assert other.keys() == own.keys()
        gap = paired_difference([*own.values()], [other[question] for question in own])
        assert after[f"validation/accuracy_{picture}"] == sum(other.values()) / len(other)
        measured = [after[f"validation/gap_{picture}{end}"] for end in ("", "_low", "_high")]
        assert measured == [gap.estimate, gap.low, gap.high]
        new -= {f"validation/accuracy_{picture}", *(f"validation/gap_{picture}{end}" for end in ("", "_low", "_high"))}
    assert not new
    assert run_stage(workspace, verb, *sets, out=tmp_path / "out").up_to_date  # it is no part of what a student is
