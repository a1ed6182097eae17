import json
import math
from pathlib import Path

import pytest

from rilctl.errors import ArtifactError, RilctlError
from rilctl.reporting.metrics import MetricsLog, read_metrics


def test_a_line_per_step_with_sorted_metrics(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    log.write(1, {"policy/loss": 0.1, "disc/auc": 1.0}, {"step_s": 2.5})
    log.write(2, {"disc/auc": 0.5})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert lines[0] == '{"step": 1, "disc/auc": 1.0, "policy/loss": 0.1}'
    assert read_metrics(tmp_path / "metrics.jsonl")[1] == {"step": 2, "disc/auc": 0.5}
    assert (tmp_path / "timings.jsonl").read_text() == '{"step": 1, "step_s": 2.5}\n'


def test_order_of_arrival_leaves_no_trace(tmp_path: Path) -> None:
    for name, metrics in {"a": {"x": 1.0, "y": 2.0}, "b": {"y": 2.0, "x": 1.0}}.items():
        (tmp_path / name).mkdir()
        MetricsLog(tmp_path / name).write(1, metrics)
    assert (tmp_path / "a/metrics.jsonl").read_bytes() == (tmp_path / "b/metrics.jsonl").read_bytes()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_names_step_and_metric_and_writes_nothing(tmp_path: Path, bad: float) -> None:
    with pytest.raises(RilctlError, match=r"step 7: `policy/loss`"):
        MetricsLog(tmp_path).write(7, {"disc/auc": 0.5, "policy/loss": bad}, {"step_s": 1.0})
    with pytest.raises(RilctlError, match=r"step 7: `rate`"):
        MetricsLog(tmp_path).write(7, {"disc/auc": 0.5}, {"rate": bad})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line", ["[1]", "{}", '{"step": "1"}', '{"step": 1, "x": NaN}', '{"step": 1, "x": true}', "\x00"]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1, "x": 1.0}) + "\n" + line + "\n")
    with pytest.raises(ArtifactError, match="line 2"):
        read_metrics(path)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="none.jsonl"):
        read_metrics(tmp_path / "none.jsonl")
