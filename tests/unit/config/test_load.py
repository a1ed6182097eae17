from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Tag, TypeAdapter, ValidationError

from rilctl.config.algorithms import ALGORITHMS
from rilctl.config.engines import HfEngineConfig
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import default_type
from rilctl.config.keys import find_keys, key_names
from rilctl.config.layers import read_layers
from rilctl.config.load import load_recipe, validate
from rilctl.config.recipe import Recipe
from rilctl.errors import ConfigError
from rilctl.schemas.base import StrictModel

ALGORITHM_NAMES = ", ".join(f"`{name}`" for name in ALGORITHMS)


def problems(*overrides: str) -> list[str]:
    recipe, found = validate(read_layers([], overrides, {}))
    assert recipe is None
    return [str(problem).removeprefix("--set: ") for problem in found]


def test_nothing_gives_the_empty_recipe() -> None:
    assert load_recipe([]) == Recipe()


def test_lists_become_tuples_and_whole_numbers_floats() -> None:
    recipe = load_recipe([], ["train.optim.lr=1", "train.optim.betas=[0.5, 0.9]"], {"cache-teacher.teachers": ["a"]})
    assert recipe.train is not None
    assert (recipe.train.optim.lr, recipe.train.optim.betas) == (1.0, (0.5, 0.9))
    assert recipe.cache_teacher is not None
    assert recipe.cache_teacher.teachers == ("a",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.optim.lr=true", "`train.optim.lr`: expected a number, found true"),
        ("train.optim.lr=fast", "`train.optim.lr`: expected a number, found text"),
        ("train.optim.lr=nan", "`train.optim.lr`: expected a finite number, found nan"),
        ("train.optim.lr=0", "`train.optim.lr`: expected a number > 0, found 0"),
        ("train.num_steps=1e3", "`train.num_steps`: expected a whole number, found 1000.0"),
        ("train.num_steps=-1", "`train.num_steps`: expected a number > 0, found -1"),
        ("eval.confidence=2", "`eval.confidence`: expected a number <= 1, found 2"),
        ("student=qwen3b", "`student`: expected a table, found text"),
        ("cache-teacher.teachers=a", "`cache-teacher.teachers`: expected a list, found text"),
        ("cache-teacher.teachers=[1]", '`cache-teacher.teachers[0]`: expected text ("in quotes"), found 1'),
        ("student={model = 'x', random_weights = 1}", "`student.random_weights`: expected true or false, found 1"),
        ("cache_teacher.seed=1", "`cache_teacher`: unknown key; did you mean `cache-teacher`?"),
        ("train.optim.lrr=1", "`train.optim.lrr`: unknown key; did you mean `lr`?"),
        ("train.lr=1", "`train.lr`: unknown key; did you mean `train.optim.lr`?"),
        (
            "num_steps=1",
            "`num_steps`: unknown key; did you mean `sft.num_steps`, `pretrain-disc.num_steps`, `train.num_steps`?",
        ),
        ("train.clip_low=1", "`train.clip_low`: unknown key; did you mean `train.algorithm.clip_low`?"),
        ("xyzzy=1", "`xyzzy`: unknown key"),
        (
            "train.algorithm.name=drgrpo",
            f"`train.algorithm.name`: expected one of {ALGORITHM_NAMES}; did you mean `dr_grpo`?",
        ),
        ("judge.type=3", "`judge.type`: expected one of `rule`, `llm`"),
        ("sft={num_steps = 1, num_epochs = 1}", "`sft`: set num_steps or num_epochs, not both"),
        (
            "data={type = 'parket', path = 'x'}",
            "`data.type`: expected one of `hub`, `parquet`, `jsonl`, `llava`, `chat`, `folder`, `digits`; "
            "did you mean `parquet`?",
        ),
        (
            "data={path = 'x'}",
            "`data.type`: expected one of `hub`, `parquet`, `jsonl`, `llava`, `chat`, `folder`, `digits`, "
            "found nothing",
        ),
        ("data={type = 'digits', sed = 1}", "`data.sed`: unknown key; did you mean `seed`?"),
        (
            "data={type = 'jsonl', path = 'x', num_questions = 1}",
            "`data.num_questions`: no key of type `jsonl`, but of `digits`",
        ),
        ("judge.model='x'", "`judge.model`: no key of type `rule`, but of `llm`"),
        ("data={type = 'hub', path = 'x', hub = 1}", "`data.hub`: unknown key"),
        (
            "data={type='hub', path='x', columns={questoin='x'}}",
            "`data.columns.questoin`: unknown key; did you mean `question`?",
        ),
        ("teachers.a.model=1", '`teachers.a.model`: expected text ("in quotes"), found 1'),
        ("teachers.a={model = 'x', modle = 'y'}", "`teachers.a.modle`: unknown key; did you mean `model`?"),
    ],
)
def test_a_problem_names_key_expectation_and_guess(override: str, message: str) -> None:
    assert problems(override) == [message]


@pytest.mark.parametrize("name", ["", " "])
def test_a_teacher_without_a_name_is_found_where_it_stands(tmp_path: Path, name: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(f'[teachers."{name}"]\nmodel = "x"\n')
    _, found = validate(read_layers([file], [], {}))
    assert [str(problem).partition(", ")[0] for problem in found] == [
        f'{file}: `teachers."{name}"`: a teacher needs a name'
    ]
    assert problems(f'teachers."{name}".model=x')[0].startswith(f'`teachers."{name}"`: a teacher needs a name, ')


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("train.optim={schedule='constant', lr_end=1.0}", '--set: `train.optim`: schedule = "constant" has no end'),
        ("train.engine={offload='all'}", "{file}, --set: `train.engine`: offload = `all` needs zero_stage = 3"),
        ("train.engine={offload='all', zero_stage=1}", "--set: `train.engine`: offload = `all` needs zero_stage = 3"),
        ("train.engine={type='torch'}", "{file}: `train.engine.zero_stage`: no key of type `torch` (--set), but of"),
        ("data.columns.answer=''", "--set: `data`: columns.answer is empty"),
        ("judge.type=llm", "--set: `judge.model`: missing"),
        ("sft.num_epochs=1", "{file}, --set: `sft`: set num_steps or num_epochs, not both"),
    ],
)
def test_a_problem_of_a_whole_table_is_of_those_who_set_the_keys_that_it_names(
    tmp_path: Path, override: str, problem: str
) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        "[data]\ntype = 'jsonl'\npath = 'x'\ncolumns = { images = '' }\n[judge]\n[sft]\nnum_steps = 1\n"
        "[train]\noptim = { lr = 1.0 }\nengine = { type = 'deepspeed', zero_stage = 2 }\n"
    )
    _, found = validate(read_layers([file], [override], {}))
    assert len(found) == 1 and str(found[0]).startswith(problem.replace("{file}", str(file))), found


def test_a_missing_key_is_described() -> None:
    (message,) = problems("student.seed=1")
    assert message == "`student.model`: missing: hub id, directory, or a name that `rilctl doctor --models` lists"


def test_all_problems_are_reported_at_once_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[train]\nnum_steps = true\n[eval]\nlimit = nan\n")
    (tmp_path / "b.toml").write_text("[evil]\n")
    with pytest.raises(ConfigError) as caught:
        load_recipe([tmp_path / "a.toml", tmp_path / "b.toml"])
    assert caught.value.message.splitlines() == [
        "3 problems in the recipe",
        f"  {tmp_path}/a.toml: `eval.limit`: expected a finite number, found nan",
        f"  {tmp_path}/a.toml: `train.num_steps`: expected a whole number, found true",
        f"  {tmp_path}/b.toml: `evil`: unknown key; did you mean `eval`?",
    ]


def test_a_table_given_in_part_keeps_the_other_defaults_of_its_verb() -> None:
    recipe = load_recipe([], ["eval.engine.device=cpu", "train.optim.warmup_steps=3", "train.discriminator.lora={}"])
    assert recipe.eval is not None
    assert recipe.train is not None
    assert (recipe.eval.engine.device, recipe.eval.engine.rows_per_batch) == ("cpu", EvalConfig().engine.rows_per_batch)
    assert EvalConfig().engine.rows_per_batch != HfEngineConfig().rows_per_batch
    assert (recipe.train.optim.warmup_steps, recipe.train.optim.lr) == (3, 1e-6)
    assert recipe.train.discriminator.optim.lr == 1e-6


def test_text_in_the_wrong_place_is_not_repeated() -> None:
    assert "hunter2" not in str(problems("train.num_steps=hunter2", "judge=hunter2", "data.type=hunter2"))


def test_tables_told_apart_by_type_are_read_as_strictly_as_others() -> None:
    class First(StrictModel):
        type: Literal["first"] = "first"
        words: tuple[str, ...] = ()

    class Second(StrictModel):
        type: Literal["second"]

    kinds = Annotated[Annotated[First, Tag("first")] | Annotated[Second, Tag("second")], default_type("first")]
    read = TypeAdapter(kinds).validate_json
    assert read('{"words": ["a", "b"]}') == First(words=("a", "b"))
    assert read('{"type": "second"}') == Second(type="second")
    for wrong in ('{"words": "a"}', '{"words": [1]}', '{"type": "third"}', '{"type": 1}', "[]", "1"):
        with pytest.raises(ValidationError):
            read(wrong)


def test_a_judges_endpoint_takes_a_list_as_any_endpoint_does(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    judge = 'type = "llm"\nmodel = "m"\nendpoint = { url = "http://localhost/v1", omit = ["temperature", "seed"] }\n'
    file.write_text(f"[judge]\n{judge}")
    recipe = load_recipe([file])
    assert recipe.judge is not None and recipe.judge.type == "llm" and recipe.judge.endpoint is not None
    assert recipe.judge.endpoint.omit == ("temperature", "seed")


@pytest.mark.parametrize("name", [key for key in key_names() if find_keys(key)[0].value.startswith("list of")])
def test_every_key_that_is_a_list_takes_one(name: str) -> None:
    wanted = find_keys(name)[0].value
    value = "[0.5, 0.5]" if "numbers" in wanted else "[3, 4]" if "number" in wanted else '["tensorboard"]'
    judge = ['judge.type="llm"', 'judge.model="m"', 'judge.endpoint.url="http://localhost/v1"']
    _, found = validate(read_layers([], [*judge, f"{name.replace('NAME', 'mine')}={value}"], {}))
    assert not [str(problem) for problem in found if "found a list" in str(problem) or "unknown key" in str(problem)]
