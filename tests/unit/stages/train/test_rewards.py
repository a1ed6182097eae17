"""A recipe's own rewards in a run: what the policy learns from, what is kept of them, what ends the run."""

import json
import sys
from pathlib import Path

import pytest

from rilctl.artifacts.lineage import lineage
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.errors import RilctlError, UsageError
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

ALONE = (
    "train.algorithm.name=dr_grpo",
    "train.student=student",
    "train.num_steps=2",
    "train.num_validation_questions=2",
)
OWN = (
    "train.rewards.answer=0.5",
    "train.rewards.vowels={ function = 'run_rewards:vowels', weight = 2.0 }",
    "train.rewards.length={ budget_tokens = 4, weight = 0.25 }",
    "train.rewards.format={ pattern = '[a-z ]*', weight = 0.0 }",
)
CODE = '''\
from collections.abc import Sequence

from rilctl.rewards import RewardRow


def vowels(rows: Sequence[RewardRow]) -> list[float | None]:
    """Share of vowels on a picture that is there; no verdict on what begins with a digit."""
    assert all(row.images[0].load().size == (56, 56) and row.answer.isdigit() for row in rows)
    return [None if row.response[:1].isdigit() else share(row.response) for row in rows]


def share(text: str) -> float:
    return sum(letter in "aeiou" for letter in text) / max(1, len(text))
'''


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "run_rewards", raising=False)
    write_workspace(tmp_path)
    (tmp_path / "run_rewards.py").write_text(CODE)
    return tmp_path


def test_a_run_learns_from_the_weighted_sum_and_keeps_what_it_was_made_of(workspace):
    result = run_stage(workspace, "train", *ALONE, *OWN, out=workspace / "out")
    rows = list(read_rows(Path(result.outputs["rollouts"].path), RolloutRecord))
    judged = [row for row in rows if row.reward is not None]
    assert {row.text[:1].isdigit() for row in rows} == {True, False}
    groups: dict[tuple[int, str], list[RolloutRecord]] = {}
    for row in rows:
        given = row.named_rewards
        assert ("vowels" in given) != row.text[:1].isdigit()
        assert given["length"] == -max(0, len(row.token_ids) - 4) / (32 - 4)
        assert given["format"] == float(all(letter.islower() or letter == " " for letter in row.text.strip()))
        groups.setdefault((row.step, row.sample_id), []).append(row)
    for row in judged:
        given = row.named_rewards
        total = 0.5 * given["answer"] + 2.0 * given["vowels"] + 0.25 * given["length"]
        assert row.reward == pytest.approx(total, rel=1e-6)  # float32, as everything that is learned from
    for group in groups.values():
        rewarded = [row.reward for row in group if row.reward is not None]
        for row in group:
            centred = 0.0 if row.reward is None else row.reward - sum(rewarded) / len(rewarded)
            assert row.advantage == pytest.approx(centred, abs=1e-6)
    assert any(row.advantage for row in rows)

    last = read_metrics(workspace / "out/metrics.jsonl")[-1]
    of_step = [row.named_rewards for row in rows if row.step == 2]
    for name in ("answer", "vowels", "length", "format"):
        values = [given[name] for given in of_step if name in given]
        assert last[f"reward/{name}_student"] == pytest.approx(sum(values) / len(values), rel=1e-12)
        assert result.summary[f"reward/{name}_student"] == last[f"reward/{name}_student"]

    entries = [entry for entry in read_manifest(workspace / "out/student").inputs if entry.kind == "code"]
    assert [(entry.role, entry.name) for entry in entries] == [("reward:vowels", str(workspace / "run_rewards.py"))]
    assert {node.state for node in lineage(workspace / "out/student").children if node.kind == "code"} == {"unchecked"}

    assert run_stage(workspace, "train", *ALONE, *OWN, out=workspace / "out").up_to_date
    (workspace / "run_rewards.py").write_text(CODE + "\n# other code\n")
    with pytest.raises(UsageError, match=r"input `reward:vowels`: .*run_rewards\.py"):
        run_stage(workspace, "train", *ALONE, *OWN, out=workspace / "out")


def test_weights_of_one_are_no_change(workspace):
    plain = run_stage(workspace, "train", *ALONE, out=workspace / "plain")
    ones = ("train.rewards.answer=1.0", "train.rewards.similarity=0.5")  # of which Dr.GRPO has none
    weighted = run_stage(workspace, "train", *ALONE, *ones, out=workspace / "weighted")
    assert {r: o.content_digest for r, o in plain.outputs.items()} == {
        r: o.content_digest for r, o in weighted.outputs.items()
    }


def test_a_run_that_a_reward_ended_goes_on_where_it_was(workspace):
    """As a reward does that asks a server which is away for a while; the code is the same."""
    failing = """
import pathlib

def score(rows):
    if pathlib.Path(__file__).with_name("away").exists() and len(CALLS) > 2:
        raise ConnectionError("no answer")
    CALLS.append(len(rows))
    return [float(row.num_tokens) for row in rows]

CALLS = []
"""
    (workspace / "run_rewards.py").write_text(failing)
    sets = (*ALONE, "train.num_steps=5", "train.rewards.mine.function=run_rewards:score")
    whole = run_stage(workspace, "train", *sets, out=workspace / "whole")
    del sys.modules["run_rewards"]
    (workspace / "away").touch()
    with pytest.raises(
        RilctlError, match=r"reward `mine` failed: ConnectionError: no answer .*on question `q\d+`"
    ) as error:
        run_stage(workspace, "train", *sets, out=workspace / "cut")
    assert error.value.exit_code == 1 and not isinstance(error.value, UsageError)
    assert len(read_metrics(workspace / "cut/metrics.jsonl")) == 1 + 3
    (workspace / "away").unlink()
    del sys.modules["run_rewards"]
    resumed = run_stage(workspace, "train", *sets, out=workspace / "cut")
    assert {r: o.content_digest for r, o in whole.outputs.items()} == {
        r: o.content_digest for r, o in resumed.outputs.items()
    }
    steps = [json.loads(line)["step"] for line in (workspace / "cut/metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(6))
