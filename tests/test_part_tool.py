"""`tools/part.py` names the first place where two runs part."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from .golden.trajectories import PART

METRICS = [{"step": 1, "policy/loss": 0.5, "policy/lr": 1e-3}, {"step": 2, "policy/loss": 0.25, "policy/lr": 1e-3}]
ROW = {
    "step": 2, "sample_id": "q1", "response_index": 0, "token_ids": [5, 6], "disc_logit": None, "reward": 1.0,
    "advantage": 0.5,
}  # fmt: skip


def write_run(directory: Path, metrics: list[dict], rows: list[dict]) -> str:
    (directory / "rollouts").mkdir(parents=True)
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), directory / "rollouts/00000.parquet")
    return str(directory)


def changed(row: dict, **values: object) -> dict:
    return row | values


def test_equal_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = [write_run(tmp_path / name, METRICS, [ROW]) for name in "ab"]
    assert PART.main(runs) == 0
    assert capsys.readouterr().out == "the same in 2 steps\n"


def test_the_first_step_and_in_it_what_came_first_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = [METRICS[0], changed(METRICS[1], **{"policy/loss": 0.2}), {"step": 3, "policy/loss": 0.1}]
    runs = [
        write_run(tmp_path / "a", METRICS, [ROW]),
        write_run(tmp_path / "b", other, [changed(ROW, token_ids=[5, 7], reward=0.0)]),
    ]
    assert PART.main(runs) == 1
    tokens, reward, loss, later = capsys.readouterr().out.splitlines()
    assert tokens.startswith("step 2: rollouts/token_ids/q1/0: '")
    assert reward == "step 2: rollouts/reward/q1/0: 1.0 and 0.0, 1.0e+00 of it"
    assert loss == "step 2: policy/loss: 0.25 and 0.2, 2.0e-01 of it"
    assert later == "step 3: 1 values"


def test_what_one_run_alone_has_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    without = [{name: value for name, value in METRICS[0].items() if name != "policy/lr"}, METRICS[1]]
    runs = [write_run(tmp_path / "a", METRICS, [ROW]), write_run(tmp_path / "b", without, [ROW])]
    assert PART.main(runs) == 1
    assert capsys.readouterr().out == "step 1: policy/lr: 0.001 and none\n"


def test_small_differences_are_left_out_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    near = [METRICS[0], changed(METRICS[1], **{"policy/loss": 0.25 * (1 + 1e-7)})]
    runs = [write_run(tmp_path / "a", METRICS, [ROW]), write_run(tmp_path / "b", near, [ROW])]
    assert PART.main([*runs, "--tolerance", "1e-6"]) == 0
    assert PART.main([*runs, "--tolerance", "1e-8"]) == 1


def test_a_path_that_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert PART.main([str(tmp_path), str(tmp_path)]) == 2
    assert "metrics.jsonl is not there" in capsys.readouterr().err
