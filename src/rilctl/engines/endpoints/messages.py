"""From a question and its pictures to the body of a chat completion."""

from collections.abc import Sequence
from typing import Any

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.sample import ImageRef

Body = dict[str, Any]

_SEED_MASK = 0x7FFFFFFF
"""Some servers hold a seed in 32 bits."""


def chat_body(
    model: str,
    question: str,
    images: Sequence[ImageRef],
    sampling: SamplingConfig,
    *,
    seed: int,
    endpoint: EndpointConfig,
) -> Body:
    """The request for one answer; pictures come before the question, as everywhere in rilctl.

    Args:
        model: the model's name at the endpoint.
        question: the user's turn.
        images: sent as data URLs.
        sampling: temperature and top-p are always said, since servers have defaults of their own.
        seed: only its lower 31 bits are sent.
        endpoint: says which keys to leave out and which to add.

    Raises:
        RowError: a picture can't be decoded.
    """
    content: str | list[Body] = question
    if images:
        pictures = [{"type": "image_url", "image_url": {"url": image.for_the_web().data_url}} for image in images]
        content = [*pictures, {"type": "text", "text": question}]
    body: Body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        endpoint.budget_key: sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed & _SEED_MASK,
    }
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        body["repetition_penalty"] = sampling.repetition_penalty
    kept = {key: value for key, value in body.items() if key not in endpoint.omit}
    return kept | endpoint.extra_body
