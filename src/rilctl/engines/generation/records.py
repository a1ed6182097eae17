"""What an engine answered, as it is kept."""

from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.schemas.records import ResponseRecord


def student_record(request: GenerationRequest, answer: str, response: Response, index: int = 0) -> ResponseRecord:
    """A student's response to a question.

    Args:
        request: the question.
        answer: the ground truth.
        response: what was answered.
        index: which of the responses to this question.
    """
    return ResponseRecord(
        sample_id=request.sample_id,
        source="student",
        side="student",
        response_index=index,
        question=request.question,
        answer=answer,
        image_digests=request.conversation.image_digests,
        context=[*request.conversation.context] or None,
        text=response.text,
        token_ids=response.recorded_token_ids,
        finish_reason=response.finish_reason,
    )
