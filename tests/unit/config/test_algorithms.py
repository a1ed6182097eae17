"""The table of algorithms names what there is, and a recipe takes from it what it doesn't say itself."""

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from rilctl.algorithms.advantages import ADVANTAGES
from rilctl.algorithms.loss_parts import DENOMINATORS, OBJECTIVES, WEIGHTINGS
from rilctl.config.algorithms import ALGORITHMS, Algorithm, LossName
from rilctl.config.fields import semantic_config
from rilctl.config.load import load_recipe
from rilctl.config.train import AlgorithmConfig, TrainConfig
from rilctl.errors import ConfigError


@pytest.mark.parametrize("record", ALGORITHMS.values(), ids=ALGORITHMS.keys())
def test_an_entry_names_what_there_is(record: Algorithm) -> None:
    assert record.advantage in ADVANTAGES and record.objective in OBJECTIVES
    assert record.loss_weighting in WEIGHTINGS and record.denominator in DENOMINATORS
    assert record.about and record.losses and set(record.losses) <= set(get_args(LossName))
    assert bool(record.rewards) == ("rewards" in record.losses)
    if "distillation" in record.losses:
        assert record.teacher_rows == "off", "of the student's own rows"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ril", ("plain", "token", 0.2, 0.2, 0.01)),
        ("gail", ("plain", "token", 0.2, 0.2, 0.01)),
        ("dr_grpo", ("off", "token", 0.2, 0.2, 0.01)),
        ("grpo", ("off", "token", 0.2, 0.2, 0.01)),
        ("dr_grpo_teachers", ("plain", "token", 0.2, 0.2, 0.01)),
        ("clip_higher", ("off", "token", 0.2, 0.28, 0.0)),
        ("gspo", ("off", "sequence", 3e-4, 4e-4, 0.0)),
        ("cispo", ("off", "token", 1.0, 4.0, 0.0)),
        ("ril_sft", ("plain", "token", 0.2, 0.2, 0.01)),
        ("on_policy_distillation", ("off", "token", 0.2, 0.2, 0.0)),
    ],
)
def test_what_a_recipe_leaves_out_is_the_algorithms_own(name: str, values: tuple[Any, ...]) -> None:
    config = load_recipe([], [f"train.algorithm.name={name}"]).train
    assert config is not None
    own = config.algorithm
    assert (own.teacher_rows, own.ratio_level, own.clip_low, own.clip_high, own.kl_beta) == values


def test_what_a_recipe_says_holds_whatever_the_order_of_its_layers(tmp_path: Path) -> None:
    base, more = tmp_path / "base.toml", tmp_path / "more.toml"
    base.write_text("[train.algorithm]\nkl_beta = 0.5\nname = 'grpo'\n")
    more.write_text("[train.algorithm]\nratio_level = 'sequence'\n")
    config = load_recipe([base, more], flags={"train.algorithm.name": "cispo"}).train
    assert config is not None
    assert (config.algorithm.kl_beta, config.algorithm.ratio_level, config.algorithm.clip_high) == (0.5, "sequence", 4)


@pytest.mark.parametrize(
    ("name", "discriminator", "judge", "teachers"),
    [
        ("ril", True, True, True),
        ("gail", True, False, True),
        ("dr_grpo", False, True, False),
        ("dr_grpo_teachers", False, True, True),
        ("ril_sft", True, True, True),
        ("on_policy_distillation", False, False, False),
    ],
)
def test_who_takes_part_follows_from_the_rewards_and_the_teacher_rows(
    name: str, discriminator: bool, judge: bool, teachers: bool
) -> None:
    config = AlgorithmConfig(name=name)
    assert (config.uses_discriminator, config.uses_judge, config.uses_teachers) == (discriminator, judge, teachers)
    without = AlgorithmConfig(name=name, teacher_rows="off")
    assert without.uses_teachers == discriminator


def test_a_wrong_name_is_one_problem_and_not_one_for_each_key_that_follows_from_it() -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe([], ["train.algorithm.name=cisspo"])
    assert "problems" not in caught.value.message and caught.value.message.endswith("did you mean `cispo`?")


def test_an_algorithm_without_teacher_rows_takes_none() -> None:
    with pytest.raises(ConfigError, match="`dr_grpo` has no teacher rows: .* `ril`, .*have them$"):
        load_recipe([], ["train.algorithm.name=dr_grpo", "train.algorithm.teacher_rows=plain"])


def test_an_algorithm_that_learns_from_teacher_rows_needs_some() -> None:
    with pytest.raises(ValidationError, match="`dr_grpo_teachers` learns from teacher rows: num_teacher_rows"):
        TrainConfig(algorithm=AlgorithmConfig(name="dr_grpo_teachers"), num_teacher_rows=0)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["train.algorithm.kl_beta=0.1"], "has no KL to a reference: leave `kl_beta` out"),
        (["train.rewards.length.budget_tokens=8"], "learns from no reward: leave \\[train.rewards\\] out"),
        (["train.algorithm.teacher_rows=plain"], "has no teacher rows"),
    ],
)
def test_distillation_has_no_rewards(sets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"`on_policy_distillation` {message}"):
        load_recipe([], ["train.algorithm.name=on_policy_distillation", *sets])


def test_a_teacher_to_distil_from_is_for_those_who_do() -> None:
    with pytest.raises(ConfigError, match="`ril` learns no teacher's distribution"):
        load_recipe([], ["train.distillation.teacher=qwen"])


def test_recipes_that_distil_nothing_are_what_they_were() -> None:
    config = load_recipe([], ["train.num_steps=3"]).train
    assert config is not None and not {"distillation", "sft"} & semantic_config(config).keys()
