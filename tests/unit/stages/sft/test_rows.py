"""What the plan of `sft` counts is what its run learns."""

from pathlib import Path

from rilctl.config.load import load_recipe
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace


def longest(workspace: Path, budget: int) -> int:
    keys = ("sft.responses=teacher-cache", f"sft.max_response_tokens={budget}")
    recipe = load_recipe([workspace / "recipe.toml"], keys)
    context = StageContext(recipe, "recipe", workspace, workspace / "planned", SilentReporter(), "rilctl …")
    tokens: int = plan_object(load_stage("sft").plan(context))["plan"]["work"]["longest_response_tokens"]
    return tokens


def num_rejected(workspace: Path, budget: int) -> int:
    keys = ("sft.responses=teacher-cache", "sft.num_steps=8", f"sft.max_response_tokens={budget}")
    return run_stage(workspace, "sft", *keys, out=workspace / str(budget)).num_rejected


def test_a_plan_counts_the_lengths_that_are_learned(tmp_path: Path) -> None:
    """Random teachers are cut, and have no stop token to learn: a budget of just their length is enough."""
    write_workspace(tmp_path)
    run_stage(tmp_path, "cache-teacher")
    most = longest(tmp_path, 1000)
    assert longest(tmp_path, most) == most
    assert not num_rejected(tmp_path, most)
    assert longest(tmp_path, most - 1) < most
    assert num_rejected(tmp_path, most - 1)
