"""What the command line says before any stage runs: help, versions, mistakes, recipes, schemas."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rilctl.cli.app import app
from rilctl.cli.reference import commands, help_text, render
from rilctl.config.algorithms import ALGORITHMS

ALGORITHM_NAMES = ", ".join(f"`{name}`" for name in ALGORITHMS)
UNSET = "hint: leave it out, or say what is meant; a variable of the shell may be unset\n"
HEAVY = ("torch", "transformers", "datasets", "peft", "pydantic", "rich", "numpy", "pyarrow")


def call(*arguments: str, cwd: Path, **variables: str) -> tuple[int, str, str]:
    finished = subprocess.run(
        [sys.executable, "-m", "rilctl", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **variables},
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize("command", list(commands(app)), ids=" ".join)
def test_help_fits_80_columns_and_describes_everything(command: tuple[str, ...]) -> None:
    text = help_text(command)
    assert text.startswith(f"Usage: {' '.join(('rilctl', *command))} ")
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "..." not in text.split("\n\n", 1)[1]  # nothing is cut
    options = [line for line in text.splitlines() if line.startswith("  --")]
    assert options


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code, stdout, stderr = call("--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert code == 0
    assert "cache-teacher" in stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in stderr.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)


def test_no_arguments_is_a_call_for_help(tmp_path: Path) -> None:
    assert call(cwd=tmp_path) == call("--help", cwd=tmp_path)


def test_version(tmp_path: Path) -> None:
    assert call("--version", cwd=tmp_path)[:2] == (0, "rilctl 0.1.0\n")


def test_the_reference_has_a_section_for_each_command() -> None:
    reference = render()
    for name in (
        "cache-teacher",
        "judge",
        "sft",
        "pretrain-disc",
        "train",
        "eval",
        "run",
        "compare",
        "quickstart",
        "doctor",
    ):
        assert f"\n## `rilctl {name}`\n" in reference
    assert "\n## `rilctl artifacts verify`\n" in reference
    assert "\x1b" not in reference


@pytest.mark.parametrize(
    ("arguments", "stderr"),
    [
        ("trian", "error: no such command `trian`\nhint: did you mean `train`?\n"),
        ("cache_teacher", "error: no such command `cache_teacher`\nhint: did you mean `cache-teacher`?\n"),
        ("--json train", "error: no such option: --json\nhint: it comes after the command: `rilctl train --json`\n"),
        (
            "--debug artifacts ls",
            "error: no such option: --debug\nhint: it comes after the command: `rilctl artifacts ls --debug`\n",
        ),
        (
            "artifacts --json ls",
            "error: no such option: --json\nhint: it comes after the command: `rilctl artifacts ls --json`\n",
        ),
        ("--jsn train", "error: no such option: --jsn\nhint: `rilctl --help`\n"),
        ("TRAIN", "error: no such command `TRAIN`\nhint: did you mean `train`?\n"),
        ("push x", "error: no such command `push`\nhint: did you mean `artifacts push`?\n"),
        (
            "show",
            "error: no such command `show`\nhint: did you mean `data show` or `artifacts show` or `config show`?\n",
        ),
        ("frobnicate", "error: no such command `frobnicate`\nhint: `rilctl --help`\n"),
        ("config shw", "error: no such command `shw`\nhint: did you mean `show`?\n"),
        ("config", "error: missing command\nhint: `rilctl config --help`\n"),
        ("train --jsn", "error: no such option: --jsn\nhint: did you mean `--json`?\n"),
        ("train -json", "error: no such option: -j\nhint: did you mean `--json`?\n"),
        ("train -j", "error: no such option: -j\nhint: `rilctl train --help`\n"),
        ("train --nosuch", "error: no such option: --nosuch\nhint: `rilctl train --help`\n"),
        ("artifacts rm --yess x", "error: no such option: --yess\nhint: did you mean `--yes`?\n"),
        (
            "train --num-steps 4",
            "error: no such option: --num-steps\nhint: a key of the recipe: `--set train.num_steps=…`\n",
        ),
        ("sft --epochs 4", "error: no such option: --epochs\nhint: a key of the recipe: `--set sft.num_epochs=…`\n"),
        (
            "data show --limit x",
            "error: invalid value for `--limit`: must be a valid integer\nhint: `rilctl data show --help`\n",
        ),
        ("train --out", "error: option `--out` requires an argument\nhint: `rilctl train --help`\n"),
        ("artifacts rm --root", "error: option `--root` requires an argument\nhint: `rilctl artifacts rm --help`\n"),
        ("report x --out", "error: option `--out` requires an argument\nhint: `rilctl report --help`\n"),
        ("artifacts show", "error: missing argument `DIR`\nhint: `rilctl artifacts show --help`\n"),
        (
            "train --algorithm rill",
            f"error: invalid value for `--algorithm`: `rill` is not one of {ALGORITHM_NAMES}\n"
            "hint: did you mean `ril`?\n",
        ),
        (
            "sft --responses xyzzy",
            "error: invalid value for `--responses`: `xyzzy` is not one of `data`, `teacher-cache`\n"
            "hint: `rilctl sft --help`\n",
        ),
        (
            "quickstart recipe.toml",
            "error: nothing is expected after the others: `recipe.toml`\nhint: `rilctl quickstart --help`\n",
        ),
        ("train --out=", f"error: what comes after `--out` is empty\n{UNSET}"),
        ("train nope.toml", "error: no recipe `nope.toml`\nhint: recipes are files that end in .toml\n"),
        (
            "train rows.jsonl",
            "error: rows.jsonl:1:1: invalid statement\nhint: a recipe names rows: `--set data.type=jsonl "
            "--set data.path=rows.jsonl`\n",
        ),
        (
            "train rows.json",
            "error: rows.json:1:1: invalid statement\nhint: is it a recipe? Those are TOML files; TOML's rules: "
            "https://toml.io\n",
        ),
        ("eval a b", "error: more than one MODEL: `a`, `b`\nhint: recipes are files that end in .toml\n"),
        (
            "cache-teacher --teachers a,,b",
            "error: `--teachers a,,b` has an empty name\nhint: write `--teachers qwen72b,internvl78b`\n",
        ),
        ("train --set train.lr", "error: `--set train.lr` has no `=`\nhint: write `--set train.num_steps=100`\n"),
        (
            "train --set train.optim.lr=true",
            "error: --set: `train.optim.lr`: expected a number, found true\n"
            "hint: `rilctl help KEY` says what a key means\n",
        ),
        (
            "config schema --artifact studnt",
            "error: no artifact kind `studnt`; did you mean `student`?\nhint: kinds: teacher-cache, responses, "
            "rollouts, verdicts, student, discriminator, evaluation, report\n",
        ),
    ],
)
def test_a_mistake_is_a_usage_error(tmp_path: Path, arguments: str, stderr: str) -> None:
    for name in ("rows.jsonl", "rows.json"):
        (tmp_path / name).write_text("{}")
    assert call(*arguments.split(), cwd=tmp_path) == (2, "", stderr)


def test_config_validate_reports_every_problem(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("[train]\nnum_steps = true\nsedd = 1\n")
    code, stdout, stderr = call("config", "validate", "r.toml", cwd=tmp_path)
    assert (code, stdout) == (2, "")
    assert stderr.splitlines() == [
        "error: 2 problems in the recipe",
        "  r.toml: `train.num_steps`: expected a whole number, found true",
        "  r.toml: `train.sedd`: unknown key; did you mean `seed`?",
        "hint: `rilctl help KEY` says what a key means",
    ]
    code, stdout, _ = call("config", "validate", "r.toml", "--json", cwd=tmp_path)
    assert code == 2
    assert json.loads(stdout) == {
        "ok": False,
        "recipes": ["r.toml"],
        "problems": [
            {"key": "train.num_steps", "origin": "r.toml", "problem": "expected a whole number, found true"},
            {"key": "train.sedd", "origin": "r.toml", "problem": "unknown key; did you mean `seed`?"},
        ],
    }
    assert call("config", "validate", "r.toml", "--set", "train={}", cwd=tmp_path)[0] == 2
    (tmp_path / "r.toml").write_text("[train]\n")
    assert call("config", "validate", "r.toml", cwd=tmp_path) == (0, "ok\n", "")


def test_config_show_prints_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[eval]\nlimit = 3\n")
    code, stdout, stderr = call("config", "show", "--set", "eval.suite=x", cwd=tmp_path)
    assert (code, stderr) == (0, "")
    assert tomllib.loads(stdout)["eval"]["suite"] == "x"
    assert "limit = 3  # recipe.toml\n" in stdout
    shown = json.loads(call("config", "show", "--json", cwd=tmp_path)[1])
    assert shown["recipe"] == {"teachers": {}, **tomllib.loads(call("config", "show", cwd=tmp_path)[1])}
    assert shown["origins"] == {"eval": "recipe.toml", "eval.limit": "recipe.toml"}


@pytest.mark.parametrize("arguments", [(), ("--artifact", "teacher-cache"), ("--artifact", "student")])
def test_config_schema_is_json_schema_with_descriptions(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, stdout, stderr = call("config", "schema", *arguments, cwd=tmp_path)
    assert (code, stderr) == (0, "")
    schema = json.loads(stdout)
    assert schema["type"] == "object"
    assert "manifest" in schema["properties"] if arguments else "cache-teacher" in schema["properties"]


def test_doctor_lists_built_in_models(tmp_path: Path) -> None:
    models = json.loads(call("doctor", "--models", "--json", cwd=tmp_path)[1])
    assert models["qwen72b"]["model"] == "Qwen/Qwen2.5-VL-72B-Instruct"
    lines = call("doctor", "--models", cwd=tmp_path)[1].splitlines()
    assert [line.split()[0] for line in lines] == list(models)


def test_doctor_finds_this_installation_sound(tmp_path: Path) -> None:
    code, stdout, stderr = call("doctor", "--json", cwd=tmp_path, HF_HOME=str(tmp_path / "hub"))
    report = json.loads(stdout)
    assert (code, report["ok"]) == (0, True), stderr
    states = {check["name"]: check["state"] for check in report["checks"]}
    for name in ("torch", "transformers", "device", "hub cache", "call cache"):
        assert states[name] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_doctor_fails_where_something_needed_is_broken(tmp_path: Path) -> None:
    """Empty modules stand in for the libraries: torch without `cuda`, transformers without its classes."""
    for library in ("torch", "transformers", "datasets", "peft"):
        (tmp_path / f"{library}.py").touch()
    (tmp_path / "safetensors.py").write_text("raise OSError('undefined symbol\\nmore')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, stdout, stderr = call("doctor", cwd=tmp_path, PYTHONPATH=path)
    assert code == 1
    found = {words[1]: (words[0], words[2]) for words in (line.split(None, 2) for line in stdout.splitlines())}
    assert found["safetensors"] == ("broken", "OSError: undefined symbol")
    assert found["transformers"][0] == found["device"][0] == "broken"
    assert found["peft"][0] == "ok"
    broken = "transformers, safetensors, device, inside torch, inside transformers, inside peft"
    assert stderr.startswith(f"error: broken: {broken}")  # and what is inside an extra that is installed
    assert stderr.endswith("hint: `pip install --force-reinstall transformers`\n")
    assert "Traceback" not in stderr


def test_the_data_sets_of_a_suite_are_listed_for_a_mirror(tmp_path: Path) -> None:
    code, stdout, _ = call("eval", "--suite", "14bench", "--tasks", "mmbench,AI2D", "--print-datasets", cwd=tmp_path)
    assert (code, [line.split() for line in stdout.splitlines()]) == (
        0,
        [
            ["repository", "config", "split", "revision"],
            ["lmms-lab-encoder/ai2d", "-", "test", "main"],
            ["lmms-lab-encoder/MMBench", "en", "dev", "main"],
        ],
    )
    code, stdout, stderr = call("eval", "--suite", "digits", "--print-datasets", cwd=tmp_path)
    assert (code, stdout) == (0, "") and stderr.endswith("suite `digits` reads no data set of the hub\n")
    _, stdout, _ = call("eval", "--suite", "14bench", "--print-datasets", "--json", cwd=tmp_path)
    assert len(json.loads(stdout)["datasets"]) == 28
    assert list(tmp_path.iterdir()) == []
