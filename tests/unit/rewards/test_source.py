"""A function is found without executing anything, and imported from the file that was found."""

import sys
from pathlib import Path

import pytest

from rilctl.errors import ConfigError, RilctlError
from rilctl.rewards.source import Code, find_code, load_function


@pytest.fixture(autouse=True)
def _as_if_nothing_was_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_module_beside_the_recipe_comes_first_and_is_not_executed(tmp_path, monkeypatch):
    elsewhere = write(tmp_path / "installed", "own_rewards.py", "score = 1\n")
    monkeypatch.syspath_prepend(str(elsewhere.parent))
    base = tmp_path / "base"
    base.mkdir()
    assert find_code(Code("own_rewards", "score"), base) == elsewhere
    beside = write(base, "own_rewards.py", "raise SystemExit('executed')\ndef score(rows): ...\n")
    assert find_code(Code("own_rewards", "score"), base) == beside


def test_a_module_in_a_package_is_found_without_the_package(tmp_path):
    write(tmp_path, "own_package/__init__.py", "raise SystemExit('executed')\n")
    path = write(tmp_path, "own_package/rewards.py", "from .helpers import score\n")
    assert find_code(Code("own_package.rewards", "score"), tmp_path) == path


def test_it_is_imported_with_what_stands_beside_it(tmp_path):
    write(tmp_path, "own_helpers.py", "def half(row): return 0.5\n")
    write(
        tmp_path,
        "own_scores.py",
        "import own_helpers\ndef score(rows):\n    import own_late\n    return [own_helpers.half(r) for r in rows]\n",
    )
    write(tmp_path, "own_late.py", "")
    score = load_function(Code("own_scores", "score"), tmp_path)
    assert score([None, None]) == [0.5, 0.5]
    assert sys.path[-1] == str(tmp_path)  # where it shadows nothing


@pytest.mark.parametrize(
    ("module", "text", "message"),
    [
        ("own_absent", None, "there is no module `own_absent` in "),
        ("own_other", "def scores(rows): ...\n", "has no `score`"),
        ("own_broken", "def score(:\n", "can't be read: invalid syntax"),
        ("sys", None, "`sys` is no Python file"),
    ],
)
def test_what_is_not_there_is_said_before_anything_runs(module, text, message, tmp_path):
    if text is not None:
        write(tmp_path, f"{module}.py", text)
    with pytest.raises(ConfigError) as error:
        find_code(Code(module, "score"), tmp_path)
    assert message in error.value.message
    assert module not in sys.modules or text is None


def test_code_that_fails_at_import_names_its_line(tmp_path):
    write(tmp_path, "own_failing.py", "import json\n\nscore = json.nothing\n")
    with pytest.raises(RilctlError) as error:
        load_function(Code("own_failing", "score"), tmp_path)
    assert "AttributeError: module 'json' has no attribute 'nothing' (own_failing.py, line 3)" in error.value.message
    assert error.value.exit_code == 1


def test_a_name_that_is_taken_or_no_function_is_refused(tmp_path):
    write(tmp_path, "json.py", "def score(rows): ...\n")
    with pytest.raises(ConfigError, match="Python has loaded another module `json`"):
        load_function(Code("json", "score"), tmp_path)
    write(tmp_path, "own_number.py", "score = 1\n")
    with pytest.raises(ConfigError, match="can't be called"):
        load_function(Code("own_number", "score"), tmp_path)
