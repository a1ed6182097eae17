"""TOML is read in bounds, and what is out of them is said with its place."""

import time
from pathlib import Path

import pytest

from rilctl.config.load import load_recipe
from rilctl.config.toml_reading import MOST_BYTES, MOST_LEVELS, parse_toml
from rilctl.errors import ConfigError

DEEP = ".".join(["a"] * (MOST_LEVELS + 1))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (f"{DEEP} = 1", 1, 1),
        (f"x = 1\n  [{DEEP}]", 2, 4),
        (f"x = {{ {DEEP} = 1 }}", 1, 7),
        (f'x = "a" # b\ny = """\n"quoted" c\n"""\n"é d" . {DEEP} = 1', 5, 1),
        (f"x = '''\n'''\nx.{DEEP} = 1", 3, 1),
    ],
)
def test_a_key_of_too_many_parts_is_refused_with_its_place(text: str, line: int, column: int, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_recipe([recipe])
    assert caught.value.message == f"{recipe}:{line}:{column}: a key of more than 32 parts"


@pytest.mark.parametrize(
    "text",
    [
        f'x = "{DEEP}"',
        f"x = '{DEEP}'",
        f'x = """\n{DEEP}\n\\""" {DEEP}"""',
        f"x = '''\n\\{DEEP} '' {DEEP}'''''",
        f"x = 1 # {DEEP}",
        f'x = "\\"{DEEP}"',
        ".".join(["a"] * (MOST_LEVELS - 1)) + " = 1",
    ],
)
def test_dots_in_texts_and_comments_are_no_keys(text: str) -> None:
    assert parse_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 15_000 + "a = 1",
        "[" + "a." * 15_000 + "a]",
        "x = { " + "a." * 15_000 + "a = 1 }",
        "a" * 250_000,
        "a ." * 80_000,
        '"""' * 80_000,
        'x = "' + "\\" * 200_001,
        'x = """' + '"" ' * 60_000,
        "".join(f"a{n} = 1\n" for n in range(20_000)),
        "".join(f"a{n}.b = nan\n" for n in range(16_000)),
        "[data]\n" + "".join(f"a{n}.b = 1\n" for n in range(16_000)),
        "x = " + "[" * 100_000,
    ],
    ids=range(12),
)
def test_what_is_broken_at_length_is_refused_soon(text: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_recipe([recipe])
    assert time.process_time() - began < 3  # most take hundredths; each took minutes, or a GiB
    assert len(str(caught.value).splitlines()) <= 101


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("#" * MOST_BYTES)
    assert load_recipe([recipe])
    recipe.write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 256 KiB") as caught:
        load_recipe([recipe])
    assert "is it the file that you mean" in (caught.value.hint or "")
