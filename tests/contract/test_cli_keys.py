"""A recipe's keys from the terminal, and what a shell completes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.cli.app import run

from . import helpers


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run([*arguments])
    return (code, *capfd.readouterr())


def test_help_on_a_key(capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, _ = call(capfd, "help", "train.optim.lr")
    assert (code, stdout.splitlines()[0]) == (0, "train.optim.lr")
    assert [line.split(maxsplit=1) for line in stdout.splitlines()[1:3]] == [
        ["value", "number > 0"],
        ["default", "1e-6"],
    ]
    code, stdout, stderr = call(capfd, "help", "train")
    assert "train.optim " in stdout and "`rilctl train --help`" in stderr
    found = json.loads(call(capfd, "help", "optim.lr", "--json")[1])["keys"]
    assert [key["path"] for key in found][:2] == ["sft.optim.lr", "pretrain-disc.optim.lr"]
    assert call(capfd, "help")[1].splitlines()[0].split() == ["[workspace]", "Where", "artifacts", "go."]
    for name in ("NAME", "qwen"):
        assert call(capfd, "help", f"teachers.{name}")[:2] == (0, call(capfd, "help", "teachers")[1])
    assert call(capfd, "help", "train.optim.nope")[0] == 2
    code, stdout, stderr = call(capfd, "help", "trian.seed")
    assert (code, stdout) == (2, "") and "did you mean `train.seed`?" in stderr
    code, stdout, stderr = call(capfd, "help", "")
    assert (code, stdout) == (2, "") and "what comes after `help` is empty" in stderr


def test_the_schema_of_a_table(capfd: pytest.CaptureFixture[str]) -> None:
    assert json.loads(call(capfd, "config", "schema", "eval")[1])["title"] == "eval"
    assert call(capfd, "config", "schema", "eval", "--artifact", "student")[0] == 2
    assert json.loads(call(capfd, "config", "schema", "student")[1])["title"] == "student"
    code, stdout, stderr = call(capfd, "config", "schema", "rollouts")
    assert (code, stdout) == (2, "") and "hint: `rilctl config schema --artifact rollouts`" in stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("rilctl ju", ["judge"]),
        ("rilctl train --gp", ["--gpus"]),
        ("rilctl help train.optim.l", ["train.optim.lr", "train.optim.lr_end"]),
        ("rilctl sft --set workspace.", ["workspace.root="]),
        ("rilctl config schema tr", ["tracking", "train"]),
    ],
)
def test_a_shell_completes(words: str, offered: list[str]) -> None:
    asked = {"_RILCTL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "rilctl"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (offered, "")


def test_run_says_of_which_verb_the_option_is_that_a_hint_names(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[data]\ntype = "digits"\n\n[cache-teacher]\n')
    refused = helpers.call(tmp_path, "run", "recipe.toml")
    refused.refused(
        2, "no teacher is named", "`--teachers` is an option of `rilctl cache-teacher`, not of `rilctl run`"
    )
