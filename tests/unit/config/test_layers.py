from pathlib import Path

import pytest

from rilctl.config.layers import Layers, default_recipes, dotted, read_layers, recipe_name
from rilctl.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_files_left_to_right_then_overrides_then_flags(tmp_path: Path) -> None:
    first = write(tmp_path / "a.toml", "[train]\nseed = 1\nnum_steps = 1\n[train.optim]\nlr = 0.1\nbetas = [0, 0]")
    second = write(tmp_path / "b.toml", "[train]\nseed = 2\nnum_steps = 2\n[train.optim]\nbetas = [1, 1]")
    layers = read_layers([first, second], ["train.num_steps=3", "eval.limit=3"], {"eval.limit": 4, "eval.suite": None})
    assert layers.tree == {
        "train": {"seed": 2, "num_steps": 3, "optim": {"lr": 0.1, "betas": [1, 1]}},
        "eval": {"limit": 4},
    }
    assert {dotted(path): origin for path, origin in layers.origins.items()} == {
        "train": str(first),
        "train.seed": str(second),
        "train.num_steps": "--set",
        "train.optim": str(first),
        "train.optim.lr": str(first),
        "train.optim.betas": str(second),
        "eval": "--set",
        "eval.limit": "command line",
    }


@pytest.mark.parametrize(
    ("override", "tree"),
    [
        ("a.b=1", {"a": {"b": 1}}),
        ("a=1e-5", {"a": 1e-5}),
        ("a=true", {"a": True}),
        ("a=[1, 'x']", {"a": [1, "x"]}),
        ("a={b = 1}", {"a": {"b": 1}}),
        ("a=plain words", {"a": "plain words"}),
        ("a='1'", {"a": "1"}),
        ("a=", {"a": ""}),
        ("a=x=y", {"a": "x=y"}),
        ("a=Org/Model-7B", {"a": "Org/Model-7B"}),
        ("a=2024-01-01", {"a": "2024-01-01"}),
        ("a=1\nb=2", {"a": "1\nb=2"}),
        ('teachers."my model".model=x', {"teachers": {"my model": {"model": "x"}}}),
    ],
)
def test_an_override_is_a_toml_value_or_else_bare_text(override: str, tree: dict[str, object]) -> None:
    assert read_layers([], [override], {}).tree == tree


@pytest.mark.parametrize("override", ["a", "=1", "a..b=1", "a b=1", "a.=1", "a=1\nb", "[a]=1", "a = 1\nb=2"])
def test_a_malformed_override_is_refused(override: str) -> None:
    if override in ("a=1\nb", "a = 1\nb=2"):  # well-formed: a newline in a value is text
        assert read_layers([], [override], {}).tree["a"].__class__ is str
    else:
        with pytest.raises(ConfigError) as caught:
            read_layers([], [override], {})
        assert caught.value.hint


def test_a_scalar_replaces_a_table_and_a_table_a_scalar() -> None:
    assert read_layers([], ["a.b=1", "a=2"], {}) == Layers({"a": 2}, {("a",): "--set"}, ())
    assert read_layers([], ["a=2", "a.b=1"], {}).tree == {"a": {"b": 1}}


def test_values_that_no_recipe_holds_become_problems_and_leave_the_tree(tmp_path: Path) -> None:
    file = write(tmp_path / "r.toml", "a = nan\n[b]\nc = -inf\nd = 2024-01-01\ne = [1.0, inf]\nf = 07:00:00\ng = 1\n")
    layers = read_layers([file], [], {})
    assert layers.tree == {"b": {"e": [1.0, None], "g": 1}}
    assert [dotted(problem.path) for problem in layers.problems] == ["a", "b.c", "b.d", "b.e[1]", "b.f"]
    assert str(layers.problems[0]) == f"{file}: `a`: expected a finite number, found nan"
    assert str(layers.problems[2]) == f"{file}: `b.d`: a date is no value of a recipe; put it in quotes"


@pytest.mark.parametrize(
    ("text", "where"), [("[train]\nlr = = 1\n", ":2:6: "), ("a = 1\na = 2\n", ":2:6: "), ("x = [1,", ", end of file: ")]
)
def test_a_syntax_error_names_file_and_place(tmp_path: Path, text: str, where: str) -> None:
    file = write(tmp_path / "r.toml", text)
    with pytest.raises(ConfigError) as caught:
        read_layers([file], [], {})
    assert caught.value.message.startswith(f"{file}{where}")


def test_a_missing_file_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    existing = write(tmp_path / "recipe.toml", "")
    with pytest.raises(ConfigError) as caught:
        read_layers([tmp_path / "recpie.toml"], [], {})
    assert caught.value.message == f"no recipe `{tmp_path / 'recpie.toml'}`; did you mean `{existing}`?"


def test_a_key_among_the_files_is_said_to_be_one() -> None:
    with pytest.raises(ConfigError) as caught:
        read_layers([Path("train.num_steps = 2")], [], {})
    assert caught.value.hint == "is it a key? `--set 'train.num_steps = 2'`"
    with pytest.raises(ConfigError, match=r"no recipe `a=b.toml`"):
        read_layers([Path("a=b.toml")], [], {})
    with pytest.raises(ConfigError, match=r"`--set train.num_steps` has no `=`"):  # as in `--set train.num_steps 2`
        read_layers([Path("2")], ["train.num_steps"], {})


def test_a_directory_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_layers([tmp_path / "binary.toml"], [], {})
    with pytest.raises(ConfigError, match="is a directory"):
        read_layers([tmp_path], [], {})


def test_the_recipe_in_the_current_directory_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_recipes([]) == ()
    write(tmp_path / "recipe.toml", "")
    assert default_recipes([]) == (Path("recipe.toml"),)
    assert default_recipes([Path("x.toml")]) == (Path("x.toml"),)


def test_a_recipe_is_named_after_its_first_file() -> None:
    assert recipe_name([Path("recipes/pocket.toml"), Path("b.toml")]) == "pocket"
    assert recipe_name([]) == "default"
