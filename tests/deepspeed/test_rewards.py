"""Two ranks with a reward function: each scores its own rows, and what fails in one ends both, which say it once."""

import os
import subprocess
import sys
from pathlib import Path

from rilctl.artifacts.read import read_rows
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.ranks import QUIET
from rilctl.testing.workspaces import write_workspace

SETS = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=2",
    "train.num_validation_questions=2",
    "train.engine={ type = 'deepspeed', zero_stage = 0 }",
    "train.rewards.long.function=rank_rewards:score",
)
CODE = """\
import os

def score(rows):
    if os.path.exists("fails") and os.environ["RANK"] == "1":
        raise ValueError("rank 1 alone")
    return [row.num_tokens + 0.5 * int(os.environ["RANK"]) for row in rows]
"""


def test_each_rank_scores_its_rows_and_a_fault_in_one_ends_both(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    (tmp_path / "rank_rewards.py").write_text(CODE)
    (tmp_path / "fails").touch()
    sets = (part for key in SETS for part in ("--set", key))
    command = [sys.executable, "-m", "rilctl", "train", "recipe.toml", "--gpus", "2", "--out", "out", *sets]

    def train() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **QUIET}, capture_output=True, text=True, timeout=120, check=False
        )

    failed = train()
    assert failed.returncode == 1, failed.stderr
    assert failed.stderr.count("error: ") == 1 and "Traceback" not in failed.stderr, failed.stderr
    assert "reward `long` failed: ValueError: rank 1 alone (rank_rewards.py, line 5); on question `q" in failed.stderr
    (tmp_path / "fails").unlink()
    finished = train()
    assert finished.returncode == 0, finished.stderr
    rows = list(read_rows(tmp_path / "out/rollouts", RolloutRecord))
    assert {row.named_rewards["long"] - len(row.token_ids) for row in rows} == {0.0, 0.5}
