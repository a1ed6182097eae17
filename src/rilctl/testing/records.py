"""Rows of artifacts, for tests."""

from typing import Any

from rilctl.schemas.records import ResponseRecord, RolloutRecord


def teacher_response(number: int) -> ResponseRecord:
    """A teacher's response to question `qNUMBER`."""
    return ResponseRecord(
        sample_id=f"q{number}",
        source="qwen",
        side="teacher",
        response_index=0,
        question="what?",
        answer="4",
        image_digests=["0" * 64],
        text="four",
        token_ids=[1, 2, 3],
        finish_reason="stop",
    )


def rollout_row(step: int, sample_id: str, **fields: Any) -> RolloutRecord:
    """A student's rollout in a step, without a picture or a reward; `fields` are those in which it differs."""
    usual: dict[str, Any] = {
        "source": "student",
        "side": "student",
        "response_index": 0,
        "question": f"what is in {sample_id}?",
        "answer": "3",
        "image_digests": [],
        "text": "3",
        "token_ids": [1],
        "finish_reason": "stop",
    }
    return RolloutRecord(step=step, sample_id=sample_id, **(usual | fields))
