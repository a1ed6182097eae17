"""A recipe's keys by name."""

import ast
from pathlib import Path

import pytest

import rilctl
from rilctl.config.keys import READERS, find_keys, key_names, table_names, table_schema
from rilctl.config.load import load_recipe
from rilctl.config.recipe import VERBS, Recipe
from rilctl.config.values import literal
from rilctl.errors import UsageError


def test_a_key_says_what_the_reference_says() -> None:
    (key,) = find_keys("train.optim.max_bad_steps")
    assert (key.value, key.default, key.is_execution, key.verbs) == ("whole number > 0", "5", True, ("train",))
    assert key.meaning.startswith("A step whose loss or gradient isn't finite")
    assert find_keys("student.model")[0].default == "required"


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("train.optim.lr", "1e-6"),
        ("sft.optim.lr_end", "1e-6"),
        ("train.discriminator.optim.lr", "1e-6"),
        ("train.discriminator.optim.warmup_steps", "0"),
        ("judge.type", "rule"),
        ("train.engine.type", "torch"),
        ("train.rewards.NAME.type", "absent"),
        ("data.type", "required"),
    ],
)
def test_the_default_is_what_holds_where_other_keys_of_its_table_are_written(name: str, holds: str) -> None:
    assert find_keys(name)[0].default.strip('"') == holds


def test_each_kind_of_a_table_has_its_own_default() -> None:
    assert {key.types: key.default for key in find_keys("eval.engine.rows_per_batch")} == {
        ("hf",): "64",
        ("vllm",): "256",
        ("vllm-server",): "256",
    }


def test_every_default_is_what_a_recipe_has_that_writes_another_key_of_the_table() -> None:
    said = {"sft.optim": "warmup_steps", "pretrain-disc.optim": "warmup_steps", "train.optim": "warmup_steps"}
    for table, other in said.items():
        recipe = load_recipe((), [f"{table}.{other}=7"], {}).model_dump(mode="json", by_alias=True)
        for part in table.split("."):
            recipe = recipe[part]
        for key in find_keys(table)[0].keys:
            if key != other and recipe.get(key) is not None:
                assert find_keys(f"{table}.{key}")[0].default == literal(recipe[key]), key


def test_the_end_of_a_name_finds_all_keys_that_end_so() -> None:
    assert [key.path for key in find_keys("optim.lr")] == [
        "sft.optim.lr",
        "pretrain-disc.optim.lr",
        "train.optim.lr",
        "train.discriminator.optim.lr",
    ]


def test_a_name_that_a_person_chooses_stands_for_any() -> None:
    assert [key.path for key in find_keys("teachers.qwen.sampling.top_p")] == ["teachers.NAME.sampling.top_p"]


def test_what_only_some_types_of_a_table_have_says_which() -> None:
    assert [key.types for key in find_keys("judge.rubric")] == [("llm",)]
    assert [key.types for key in find_keys("data.max_image_px")] == [()]
    assert {types for key in find_keys("data.path") for types in key.types} >= {"hub", "parquet", "jsonl", "llava"}
    assert find_keys("judge.type")[0].value == '"rule", "llm"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.optm.lr", "a recipe has no key `train.optm.lr`; did you mean `train.optim.lr`"),
        ("cache_teacher", "did you mean `cache-teacher`"),
        ("num_epoch", "did you mean `sft.num_epochs`"),
    ],
)
def test_a_wrong_key_gets_the_nearest(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_keys(text)


def test_every_key_is_found_by_its_name() -> None:
    for name in key_names():
        assert name in {key.path for key in find_keys(name)}
    assert set(table_names()) == set(READERS) == set(Recipe.model_json_schema()["properties"])


def test_the_schema_of_a_table_stands_alone() -> None:
    whole = Recipe.model_json_schema()
    optim = table_schema("[train.optim]")
    assert list(optim["$defs"]) == ["OptimConfig"]
    assert optim["$defs"]["OptimConfig"] == whole["$defs"]["OptimConfig"]
    for name in ("data", "teachers", "train"):
        found = table_schema(name)
        used, defined = set(_references(found)), found["$defs"].keys()
        assert used == {f"#/$defs/{each}" for each in defined}
    with pytest.raises(UsageError, match="no table `trian`; did you mean `train`"):
        table_schema("trian")


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [each for value in node.values() for each in _references(value)]
    return [each for value in node for each in _references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("verb", VERBS)
def test_the_tables_that_a_verbs_run_reads_are_said_to_be_read_by_it(verb: str) -> None:
    """In its own package; a plan may look at more, to say what other verbs will do."""
    package = Path(rilctl.__file__).parent / "stages" / verb.replace("-", "_")
    fields = {field: info.alias or field for field, info in Recipe.model_fields.items()}
    read = {
        fields[node.attr]
        for path in package.glob("*.py")
        if path.name != "plan.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in fields
        and isinstance(node.value, ast.Attribute | ast.Name)
        and getattr(node.value, "attr", getattr(node.value, "id", "")) == "recipe"
    }
    looks_at_others_runs = {
        "eval": {"train", "sft", "data"},
        "train": {"pretrain-disc"},
        "sft": {"train", "judge", "pretrain-disc"},
    }
    assert read - looks_at_others_runs.get(verb, set()) <= {name for name, verbs in READERS.items() if verb in verbs}
    assert verb in read
