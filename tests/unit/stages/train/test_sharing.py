"""A plan of `train` places the roles as its run does."""

from pathlib import Path

import pytest

from rilctl.config.load import load_recipe
from rilctl.engines.training.ranks import Ranks
from rilctl.pipeline.run import load_stage
from rilctl.planning.plan import plan_object
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext
from rilctl.stages.train.inputs import find_inputs
from rilctl.stages.train.roles import load_roles
from rilctl.testing.stages import run_stage, write_trainable_workspace

ADAPTERS = ("train.lora={rank=2}", "train.discriminator.lora={rank=2}")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_trainable_workspace(tmp_path_factory.mktemp("workspace"))
    run_stage(folder, "pretrain-disc", "pretrain-disc.lora={rank=2}", out=folder / "adapter")
    return folder


@pytest.mark.parametrize(
    ("keys", "sets"),
    [
        ((), 2),
        (ADAPTERS, 2),  # the discriminator was pretrained with all weights, which no student has
        ((*ADAPTERS, "train.discriminator_artifact=adapter/discriminator"), 1),
        (("train.lora={rank=2}", "train.discriminator_artifact=adapter/discriminator"), 2),
    ],
)
def test_weights_that_are_shared_are_planned_once(workspace: Path, keys: tuple[str, ...], sets: int) -> None:
    recipe = load_recipe([workspace / "recipe.toml"], ("train.algorithm.kl_beta=0", "train.engine.device=cpu", *keys))
    context = StageContext(recipe, "recipe", workspace, workspace / "planned", SilentReporter(), "rilctl …")
    assert recipe.train is not None
    roles = load_roles(context, recipe.train, find_inputs(context, recipe.train), Ranks())
    assert roles.disc is not None
    held = {id(p): p.nbytes for vlm in (roles.policy, roles.disc.vlm) for p in vlm.model.parameters()}
    models = {id(vlm.model) for vlm in (roles.policy, roles.disc.vlm)}
    assert len(models) == sets
    idle = plan_object(load_stage("train").plan(context))["plan"]["memory"]["idle"]
    # The plan leaves out the discriminator's head.
    assert idle["weights_bytes"] == pytest.approx(sum(held.values()), rel=0.01)
