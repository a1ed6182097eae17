"""Verdicts of another judge than the recipe's."""

from pathlib import Path

import pytest

from rilctl.reporting.progress import SilentReporter
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

LEARNS = ("sft.responses=teacher-cache", "sft.difficulty=[0.0, 1.0]", "sft.num_steps=1", "sft.validate_every=9")


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: said.append(text))
    return said


def named(warned: list[str]) -> list[str]:
    return [text for text in warned if "holds verdicts of" in text]


def test_sft_names_another_judge_and_another_version(
    tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_workspace(tmp_path, num_questions=8)
    run_stage(tmp_path, "cache-teacher")
    run_stage(tmp_path, "judge")
    run_stage(tmp_path, "sft", *LEARNS, out=tmp_path / "same")
    assert named(warned) == []
    run_stage(tmp_path, "sft", *LEARNS, "judge.numeric_tolerance=0.1", out=tmp_path / "other")
    (text,) = named(warned)
    assert "numeric_tolerance=0)" in text and text.endswith("numeric_tolerance=0.1)")
    warned.clear()
    monkeypatch.setattr("rilctl.stages.shared.other_judge.judge_identity", lambda config: "rule-next")
    run_stage(tmp_path, "sft", *LEARNS, out=tmp_path / "newer")
    (text,) = named(warned)
    assert ", another version of it; the recipe's judge is rule-" in text
