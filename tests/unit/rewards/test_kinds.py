"""Length and format by hand; what a recipe can write of them."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from rilctl.config.layers import read_layers
from rilctl.config.load import load_recipe
from rilctl.config.show import to_toml
from rilctl.config.train import TrainConfig
from rilctl.errors import ConfigError
from rilctl.rewards import RewardRow
from rilctl.rewards.format import FormatReward
from rilctl.rewards.length import LengthReward


def rows(*responses: str, max_tokens: int = 10) -> list[RewardRow]:
    """Rows of one token for each letter."""
    return [RewardRow("q", "how many?", "3", text, (), len(text), max_tokens) for text in responses]


def load(tmp_path: Path, text: str, *sets: str) -> TrainConfig:
    (tmp_path / "recipe.toml").write_text(text)
    config = load_recipe([tmp_path / "recipe.toml"], sets).train
    assert config is not None
    return config


def test_length_costs_nothing_up_to_the_budget_and_one_at_the_limit():
    score = LengthReward(budget_tokens=6).open(Path())
    assert list(score(rows("", "a" * 6, "a" * 7, "a" * 8, "a" * 10))) == [0.0, 0.0, -0.25, -0.5, -1.0]


def test_format_matches_the_whole_response():
    score = FormatReward(pattern=r"answer \d+").open(Path())
    responses = ("answer 12", " answer 3\n", "answer 3.", "my answer 3", "")
    assert list(score(rows(*responses))) == [1.0, 1.0, 0.0, 0.0, 0.0]


RECIPE = """\
[train.rewards]
similarity = 0.25

[train.rewards.short]
type = "length"
budget_tokens = 100
weight = 0.5

[train.rewards.format]
pattern = 'answer \\d+'

[train.rewards.polite]
function = "my_module:score"
weight = 0
"""


def test_a_recipe_names_them(tmp_path):
    config = load(tmp_path, RECIPE)
    weights = {"similarity": 0.25, "answer": 1.0, "format": 1.0, "polite": 0.0, "short": 0.5}
    assert config.reward_weights == weights
    assert list(config.reward_weights) == list(weights)  # a sum's rounding must not depend on the recipe's order
    assert {name: reward.type for name, reward in config.rewards.own.items()} == {
        "short": "length",
        "format": "format",
        "polite": "function",
    }


def test_the_algorithm_says_which_of_the_learned_ones_count(tmp_path):
    alone = load(tmp_path, RECIPE, "train.algorithm.name=dr_grpo")
    assert alone.reward_weights == {"answer": 1.0, "format": 1.0, "polite": 0.0, "short": 0.5}


def test_it_reads_back_as_it_was_shown(tmp_path):
    load(tmp_path, RECIPE)
    layers = read_layers([tmp_path / "recipe.toml"], (), {})
    recipe = load_recipe([tmp_path / "recipe.toml"])
    (tmp_path / "shown.toml").write_text(to_toml(recipe, layers))
    assert load_recipe([tmp_path / "shown.toml"]) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("similarty = 0.3", "`similarty` is no built-in reward; did you mean `similarity`?"),
        ("similarity = -1.0", "`train.rewards.similarity`: expected a number >= 0, found -1.0"),
        ("tidy = 0.3", "`train.rewards.tidy`: expected a table, found 0.3"),
        (
            "lenght = { budget_tokens = 5 }",
            "`train.rewards.lenght.type`: expected one of `format`, `function`, `length`",
        ),
        (
            "length = { weight = 1.0 }",
            "`train.rewards.length.budget_tokens`: missing: longest response without a penalty",
        ),
        ("length = { budget_tokens = 256 }", "rewards.length: budget_tokens must be < sampling.max_new_tokens = 256"),
        ("format = { pattern = '(' }", "`train.rewards.format.pattern`: no regular expression: missing )"),
        ("mine = { function = 'score' }", "`train.rewards.mine.function`: expected `module:name`"),
        ("advantage = { function = 'a:b' }", "`advantage` can't be a reward's name: small letters"),
        ("similarity = 0\nanswer = 0", "(`similarity`, `answer`), one must weigh more than 0"),
    ],
)
def test_what_is_refused_says_where_and_why(text, message, tmp_path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, f"[train.rewards]\n{text}\n")
    assert message in error.value.message


def test_the_page_s_recipe_and_function_are_as_it_says(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs/train.md").read_text()
    blocks = {kind: re.findall(rf"```{kind}\n(.*?)```", page, re.S) for kind in ("toml", "python")}
    (recipe,) = (text for text in blocks["toml"] if "[train.rewards.units]" in text)
    config = load(tmp_path, recipe)
    assert config.reward_weights == {"similarity": 0.25, "answer": 1.0, "format": 1.0, "length": 0.5, "units": 0.2}
    (code,) = blocks["python"]
    (tmp_path / "my_rewards.py").write_text(code)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)
    score = config.rewards.own["units"].open(tmp_path)
    row = dataclasses.replace(rows("it is 3 cm")[0], answer="3 cm")
    assert list(score([row, dataclasses.replace(row, response="3"), *rows("3")])) == [1.0, 0.0, None]
    monkeypatch.delitem(sys.modules, "my_rewards")
