"""`data.select.max_prompt_tokens`: what the student would read is counted, picture and template included."""

from pathlib import Path

import pytest

from rilctl import api
from rilctl.errors import ConfigError
from rilctl.testing.workspaces import write_workspace


def longest_and_count(workspace: Path, *overrides: str) -> tuple[int, int]:
    recipe = api.load_recipe(workspace / "recipe.toml", overrides=overrides, base_dir=workspace)
    data = api.plan_stage(recipe, "sft")["plan"]["data"]
    return data["longest_prompt_tokens"], data["questions"]


def test_longer_prompts_are_left_out(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    longest, num_all = longest_and_count(tmp_path)
    left, num_left = longest_and_count(tmp_path, f"data.select.max_prompt_tokens={longest - 1}")
    assert left < longest and 0 < num_left < num_all


def test_a_bound_of_image_tokens_is_in_the_plan_and_counts(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    longest, num_all = longest_and_count(tmp_path)
    bounds = ("student.min_image_tokens=16", "student.max_image_tokens=16")
    larger, _ = longest_and_count(tmp_path, *bounds)
    assert larger == longest + 12
    with_limit = longest_and_count(tmp_path, *bounds, f"data.select.max_prompt_tokens={longest + 11}")
    assert with_limit[1] < num_all


def test_somebody_has_to_read(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    text = (tmp_path / "recipe.toml").read_text().replace('[student]\nmodel = "student"\n', "")
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(ConfigError, match="counts tokens as the .student. does"):
        longest_and_count(tmp_path, "data.select.max_prompt_tokens=99", "sft.student=student")
