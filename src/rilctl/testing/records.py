"""Rows of artifacts, for tests that damage them."""

from rilctl.schemas.records import ResponseRecord


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
