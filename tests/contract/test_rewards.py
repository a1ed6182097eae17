"""A reward function of the user's own on the command line: when its code runs, and what its faults look like."""

import json
import sys
from pathlib import Path

import pytest

from .helpers import call

ALONE = ("train", "recipe.toml", "--algorithm", "dr_grpo", "--set", "train.student=student")
MARKS = "open('executed', 'w').close()\n\ndef score(rows):\n    return [1.0 for _ in rows]\n"


@pytest.fixture(autouse=True)
def _forget_modules(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.startswith("reward_of_")]:
        del sys.modules[name]


def test_its_code_runs_when_training_starts_and_no_sooner(fresh: Path) -> None:
    (fresh / "reward_of_mine.py").write_text(MARKS)
    own = ("--set", "train.rewards.mine={ function = 'reward_of_mine:score', weight = 0.5 }")
    for arguments in (
        ("config", "validate", "recipe.toml", *own),
        ("config", "show", "recipe.toml", *own),
        (*ALONE, *own, "--dry-run"),
    ):
        outcome = call(fresh, *arguments)
        assert outcome.code == 0, outcome.stderr
    assert not (fresh / "executed").exists() and "reward_of_mine" not in sys.modules
    plan = call(fresh, *ALONE, *own, "--dry-run", "--json").report["plan"]
    assert plan["weights_of_rewards"] == {"answer": 1.0, "mine": 0.5}
    outcome = call(fresh, *ALONE, *own, "--set", "train.num_steps=1")
    assert outcome.code == 0, outcome.stderr
    assert (fresh / "executed").exists() and "reward/mine_student" in outcome.stderr
    manifest = json.loads((fresh / "runs/recipe/train/student/manifest.json").read_text())
    (entry,) = (entry for entry in manifest["inputs"] if entry["role"] == "reward:mine")
    assert entry["kind"] == "code" and entry["name"] == str(fresh / "reward_of_mine.py")


@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_a_function_that_is_not_there_is_refused_at_once(dry: tuple[str, ...], fresh: Path) -> None:
    own = ("--set", "train.rewards.mine.function=reward_of_nobody:score")
    call(fresh, *ALONE, *own, *dry).refused(2, "no module `reward_of_nobody`", str(fresh), "reward_of_nobody.py")
    (fresh / "reward_of_nobody.py").write_text("def other(rows): ...\n")
    call(fresh, *ALONE, *own, *dry).refused(2, "has no `score`")


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("score = 1 / 0", ("`reward_of_faults:score`", "can't be imported: ZeroDivisionError", "line 1")),
        (
            "def score(rows):\n    return [1 / 0]",
            ("reward `mine` failed: ZeroDivisionError", "line 2", "on question `q"),
        ),
        ("def score(rows):\n    return [float('nan') for _ in rows]", ("reward `mine` gave nan for question `q",)),
    ],
)
def test_a_fault_ends_the_run_with_its_line_and_row(code: str, parts: tuple[str, ...], fresh: Path) -> None:
    (fresh / "reward_of_faults.py").write_text(f"{code}\n")
    own = ("--set", "train.rewards.mine.function=reward_of_faults:score")
    call(fresh, *ALONE, *own).refused(1, *parts)
