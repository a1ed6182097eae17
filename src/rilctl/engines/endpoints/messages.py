"""From a conversation to the body of a chat completion."""

from typing import Any

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation, Turn

Body = dict[str, Any]

_SEED_MASK = 0x7FFFFFFF
"""Some servers hold a seed in 32 bits."""


def chat_body(
    model: str,
    conversation: Conversation,
    sampling: SamplingConfig,
    *,
    seed: int,
    endpoint: EndpointConfig,
) -> Body:
    """The request for one answer.

    Args:
        model: the model's name at the endpoint.
        conversation: its turns become messages, its pictures data URLs where they stand.
        sampling: temperature and top-p are always said, since servers have defaults of their own.
        seed: only its lower 31 bits are sent.
        endpoint: says which keys to leave out and which to add.

    Raises:
        RowError: a picture can't be decoded.
    """
    body: Body = {
        "model": model,
        "messages": _messages(conversation),
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


def _messages(conversation: Conversation) -> list[Body]:
    system = [] if conversation.system is None else [{"role": "system", "content": conversation.system}]
    return system + [{"role": turn.role, "content": _content(turn)} for turn in conversation.turns]


def _content(turn: Turn) -> str | list[Body]:
    """Plain text where there is no picture, which every server reads."""
    if not turn.images:
        return turn.text
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": part.for_the_web().data_url}}
        for part in turn.parts
    ]
