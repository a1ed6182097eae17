"""The log of rollouts survives whatever a model says."""

import pytest

from rilctl.errors import ArtifactError
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.train.rollout_log import RolloutLog
from rilctl.testing.records import rollout_row


def record(step: int, text: str) -> RolloutRecord:
    return rollout_row(step, "q1", text=text)


def test_odd_line_ends_in_a_response(tmp_path):
    log = RolloutLog(tmp_path)
    records = [record(step, f"a\u2028b\u0085c\r\n{step} é") for step in (1, 2, 3)]
    log.append(records)
    assert list(log.read()) == records


def test_rows_that_were_changed_under_a_run_are_not_written_as_its_rollouts(tmp_path):
    log = RolloutLog(tmp_path)
    log.append([record(1, "one")])
    file = tmp_path / "rollouts.jsonl"
    file.write_text(file.read_text().replace("one", "two"))
    with pytest.raises(ArtifactError, match="while the run was under way"):
        list(log.read())
