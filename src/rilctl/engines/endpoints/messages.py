"""From a conversation to the body of a chat completion."""

from typing import Any

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation, Turn

Body = dict[str, Any]

_SEED_MASK = 0x7FFFFFFF
"""Some servers hold a seed in 32 bits."""
_MAX_REPLY_BYTES = 64 << 20
_ENVELOPE_BYTES = 256 << 10
_TOKEN_BYTES = 4 << 10
"""The longest tokens have a few hundred bytes; twenty alternatives with their log-probabilities, which `extra_body` may
ask for, need less than this."""


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


def most_bytes(body: Body) -> int:
    """As many bytes as a reply to a request may have: what its token budget can fill, and what stands around it."""
    budget = body.get("max_tokens", body.get("max_completion_tokens"))
    if not isinstance(budget, int):
        return _MAX_REPLY_BYTES
    return min(_ENVELOPE_BYTES + _TOKEN_BYTES * max(budget, 0), _MAX_REPLY_BYTES)


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
