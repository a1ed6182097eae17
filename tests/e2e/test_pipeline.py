"""The whole pipeline through the command line, twice: the second time there is nothing to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.testing.workspaces import write_workspace

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def rilctl(workspace: Path, *arguments: str, stdin: str | None = None, code: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rilctl", *arguments]
    done = subprocess.run(
        command, cwd=workspace, env=ENVIRONMENT, capture_output=True, text=True, timeout=280, input=stdin
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("student", ["pocket-student", "pocket-teacher-internvl"])
def test_every_verb_of_a_recipe_with_a_student_of_either_family(student, tmp_path):
    write_workspace(tmp_path, student)
    first = json.loads(rilctl(tmp_path, "run", "recipe.toml", "--json").stdout)
    second = json.loads(rilctl(tmp_path, "run", "recipe.toml", "--json").stdout)
    verbs = ["cache-teacher", "judge", "sft", "pretrain-disc", "train", "eval"]
    assert list(first["stages"]) == verbs == list(second["stages"])
    for verb in verbs:
        assert first["stages"][verb]["status"] == "done"
        assert second["stages"][verb]["status"] == "up-to-date"
        assert first["stages"][verb]["outputs"] == second["stages"][verb]["outputs"]
    listed = json.loads(rilctl(tmp_path, "artifacts", "ls", "--json").stdout)
    assert {artifact["kind"] for artifact in listed["artifacts"]} >= {
        "teacher-cache", "responses", "rollouts", "verdicts", "student", "discriminator", "evaluation",
    }  # fmt: skip
    for artifact in listed["artifacts"]:
        assert json.loads(rilctl(tmp_path, "artifacts", "verify", artifact["path"], "--json").stdout)["ok"]
    documented = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for line in (tmp_path / "runs" / "recipe" / "train" / "metrics.jsonl").read_text().splitlines():
        assert [name for name in json.loads(line) if name != "step" and f"`{name}`" not in documented] == []
    rollouts = first["stages"]["train"]["outputs"]["rollouts"]
    judged = rilctl(tmp_path, "judge", rollouts["path"], "recipe.toml", "--out", "judged", "--json")
    assert json.loads(judged.stdout)["outputs"]["verdicts"]["rows"] == rollouts["rows"]
