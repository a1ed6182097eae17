"""The log of rollouts survives a kill in the middle of a line, and whatever a model says."""

from rilctl.schemas.records import RolloutRecord
from rilctl.stages.ril.rollout_log import RolloutLog


def record(step: int, text: str) -> RolloutRecord:
    return RolloutRecord(
        step=step,
        sample_id="q1",
        source="student",
        side="student",
        response_index=0,
        question="what?",
        answer="1",
        image_digests=[],
        text=text,
        token_ids=[1, 2],
        finish_reason="stop",
    )


def test_odd_line_ends_in_a_response_and_a_line_cut_inside_a_character(tmp_path):
    log = RolloutLog(tmp_path)
    records = [record(step, f"a\u2028b\u0085c\r\n{step} é") for step in (1, 2, 3)]
    log.append(records)
    file = tmp_path / "rollouts.jsonl"
    file.write_bytes(file.read_bytes() + '{"step": 3, "text": "é'.encode()[:-1])
    log.truncate_to(2)
    assert list(log.read()) == records[:2]
    log.truncate_to(0)
    assert list(log.read()) == []
