"""The suite `validation`."""

from pathlib import Path

import pytest

from rilctl import api
from rilctl.artifacts.read import read_rejected, read_rows
from rilctl.config.judge import RuleJudgeConfig
from rilctl.data.load import load_samples
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.open import judge_by_rules
from rilctl.errors import ConfigError
from rilctl.schemas.records import EvaluationRecord
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace


def evaluate(workspace: Path, *overrides: str) -> list[EvaluationRecord]:
    result = run_stage(workspace, "eval", "eval.suite=validation", "eval.student=student", *overrides)
    path = Path(result.outputs["evaluation"].path)
    assert not list(read_rejected(path))
    return list(read_rows(path, EvaluationRecord))


def test_the_recipes_own_held_out_questions_are_asked_and_judged(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    rows = evaluate(tmp_path, "eval.limit=4")
    recipe = api.load_recipe(tmp_path / "recipe.toml", base_dir=tmp_path).tables
    assert recipe.data is not None
    held_out = load_samples(recipe.data, base_dir=tmp_path, split="validation").samples[:4]
    assert [row.sample_id for row in rows] == [sample.id for sample in held_out]
    requests = [JudgeRequest.of(sample, row.text) for sample, row in zip(held_out, rows, strict=True)]
    said = judge_by_rules(RuleJudgeConfig()).verdicts(requests)
    assert [row.score for row in rows] == [float(bool(verdict.correct)) for verdict in said]


def test_without_held_out_questions_it_is_refused(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    with pytest.raises(ConfigError, match="held-out questions with a ground truth"):
        evaluate(tmp_path, "data.validation.share=0")
