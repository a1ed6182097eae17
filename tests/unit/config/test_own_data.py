"""Rows of one verb."""

from pathlib import Path

import pytest

from rilctl.config.data import DigitsData, LlavaData
from rilctl.config.fields import semantic_config
from rilctl.config.keys import find_keys, table_schema
from rilctl.config.layers import read_layers
from rilctl.config.load import load_recipe, validate
from rilctl.config.recipe import OWN_DATA_VERBS, VERBS, Recipe

RECIPE = """\
[data]
type = "digits"
num_questions = 40
validation = { split = "validation", num_samples = 9 }
select = { num_samples = 20, max_question_chars = 99 }

[sft.data]
num_questions = 100
select = { num_samples = 80 }

[train.data]
type = "llava"
path = "other.json"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def test_without_a_type_it_differs_in_what_it_says(file: Path) -> None:
    recipe = load_recipe([file])
    shared, own = recipe.data, recipe.seen_by("sft").data
    assert isinstance(shared, DigitsData) and isinstance(own, DigitsData)
    assert (own.num_questions, own.select.num_samples, own.select.max_question_chars) == (100, 80, 99)
    assert own.validation == shared.validation
    assert (shared.num_questions, shared.select.num_samples) == (40, 20)


def test_with_a_type_it_stands_alone(file: Path) -> None:
    recipe = load_recipe([file])
    own = recipe.seen_by("train").data
    assert isinstance(own, LlavaData)
    assert own.select.num_samples is None and not own.validation.is_set
    assert recipe.seen_by("eval").data == own
    for verb in ("cache-teacher", "judge", "pretrain-disc"):
        assert recipe.seen_by(verb) == recipe


def test_a_later_layer_changes_the_verbs_rows_or_all(file: Path) -> None:
    recipe = load_recipe([file], ["data.seed=7", "sft.data.select.num_samples=3"])
    own = recipe.seen_by("sft").data
    assert isinstance(own, DigitsData)
    assert (own.seed, own.select.num_samples) == (7, 3)


def test_each_value_says_where_it_comes_from(file: Path) -> None:
    layers = read_layers([file], ["data.seed=7"], {})
    origin = {
        key: layers.origin(("sft", "data", *key.split("."))) for key in ("num_questions", "seed", "validation.split")
    }
    assert origin == {"num_questions": str(file), "seed": "--set", "validation.split": str(file)}


def test_a_mistake_is_named_by_its_key(file: Path) -> None:
    _, problems = validate(read_layers([file], ["sft.data.num_question=1"], {}))
    assert "`sft.data.num_question`: unknown key" in str(problems[0])
    _, problems = validate(read_layers([], ["sft.data.num_questions=1"], {}))
    assert "sft.data" in str(problems[0])


def test_rows_count_by_what_they_hold_and_not_by_where_they_are(file: Path) -> None:
    recipe = load_recipe([file])
    assert recipe.sft is not None
    assert semantic_config(recipe.sft) == semantic_config(recipe.sft.model_copy(update={"data": None}))
    plain = load_recipe([], ["sft.seed=0"]).sft
    assert plain is not None and "data" not in plain.model_dump()


def test_every_verb_sees_some_rows_and_their_keys_are_those_of_data(file: Path) -> None:
    recipe = load_recipe([file])
    assert {verb for verb in VERBS if recipe.seen_by(verb) != recipe} == {"sft", "train", "eval"}
    for verb in OWN_DATA_VERBS:
        assert "data" in Recipe.model_fields[verb.replace("-", "_")].annotation.__args__[0].model_fields
        assert [key.path for key in find_keys(f"{verb}.data.select.num_samples")] == ["data.select.num_samples"]
    assert table_schema("sft.data.select")["title"] == "data.select"
