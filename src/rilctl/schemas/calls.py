"""What the call cache holds of a response."""

from typing import Annotated

from pydantic import Field, JsonValue

from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import FinishReason


class StoredResponse(StrictModel):
    """One answer, under the identity of what was asked."""

    text: str
    """The response, special tokens removed."""
    token_ids: list[int] | None
    """The sampled token ids in the answering model's vocabulary; null where an endpoint gave only text."""
    finish_reason: FinishReason
    """Why it ended."""
    sampling_logprobs: list[float] | None
    """Of each token; null without token ids."""
    usage: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    """Input and output tokens that an endpoint counted; absent where nobody counted."""


def is_answer(stored: JsonValue) -> bool:
    """Whether what the call cache holds is an answer: an endpoint's text that is empty or white is none.

    A model whose tokens are known may say nothing, and mean it.
    """
    if not isinstance(stored, dict) or "text" not in stored:
        return True
    return stored.get("token_ids") is not None or bool(str(stored["text"]).strip())
