"""From the bytes of a chat completion to a text; everything that is no answer has a reason of its own."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from rilctl.engines.endpoints.error_bodies import error_message, quoted
from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.generation.base import Usage
from rilctl.errors import RowError

_STOPS = frozenset(
    {"stop", "stop_sequence", "eos", "eos_token", "end_turn", "end", "complete", "completed", "finished"}
)
_LENGTHS = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "model_length"})
_FILTERS = frozenset({"content_filter", "content_filtered", "safety", "prohibited_content", "blocklist", "recitation"})
_TEXT_PARTS = ("text", "output_text")
_THINKING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True)
class Reply:
    """A text, why it ended, and what it cost where the endpoint counts."""

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage | None


def read_json(content: bytes | str) -> Any:
    """JSON of others, in which no number is too long. Raises `ValueError` or `RecursionError` for anything else."""
    return json.loads(content, parse_int=_integer)


def _integer(digits: str) -> float:
    """What has more digits than any count is none; Python would refuse to read it."""
    return int(digits) if len(digits) < 20 else math.inf


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object of a reply. Raises `Retriable`: `reply-not-json` for HTML, plain text, half of one, a list."""
    try:
        body = read_json(content)
    except (ValueError, RecursionError):
        raise Retriable("reply-not-json", f"the reply is no JSON: {quoted(content)}") from None
    if not isinstance(body, dict):
        raise Retriable("reply-not-json", f"the reply is no JSON object: {quoted(content)}")
    return body


def read_usage(body: dict[str, Any]) -> Usage | None:
    """The endpoint's count of tokens, where it has one that makes sense."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    num_input, num_output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(num_input, num_output) if _is_count(num_input) and _is_count(num_output) else None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40  # of one reply


def read_reply(body: dict[str, Any]) -> Reply:
    """The answer in a chat completion: its first choice.

    Raises:
        Retriable: `reply-no-choices` where the envelope is empty, or holds another choice than the first;
            `endpoint-error` where it holds an error instead.
        RowError: `content-filter`, `model-refused`, `reply-no-content`, `reply-unfinished` or `text-invalid`.
    """
    if body.get("error") and not body.get("choices"):
        raise Retriable("endpoint-error", f"the reply holds an error: {error_message(body)}")
    choice, message = _first_choice(body)
    finish, content = choice.get("finish_reason"), message.get("content")
    end = "stop" if finish in (None, "") else str(finish).lower()
    if end in _FILTERS:
        raise RowError("content-filter", "the endpoint's filter held the answer back")
    if refusal := message.get("refusal") or next(_parts(content, "refusal"), None):
        raise RowError("model-refused", f"the model refused: {quoted(str(refusal).encode(errors='replace'))}")
    text = content if isinstance(content, str) else "".join(_parts(content, "text"))
    if not text.strip():
        thought = " beside what the model thought" if any(message.get(key) for key in _THINKING) else ""
        raise RowError("reply-no-content", f"the reply has no text{thought} (finish_reason {finish!r:.60})")
    if end not in _STOPS | _LENGTHS:
        raise RowError("reply-unfinished", f"the reply did not end as an answer does (finish_reason {finish!r:.60})")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError("text-invalid", "the answer has half a surrogate pair, which no text can hold") from None
    return Reply(text, "stop" if end in _STOPS else "length", read_usage(body))


def _first_choice(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choice of index 0, where a server numbers them, and its message."""
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("index") in (0, None) and isinstance(choice.get("message"), dict):
            return choice, choice["message"]
    which = "no choice 0" if choices else "no choices"
    raise Retriable("reply-no-choices", f"the reply has {which}")


def _parts(content: object, key: Literal["text", "refusal"]) -> Iterator[str]:
    """Texts or refusals in content that is a list of parts; what the model thought is neither."""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str) and key == "text":
            yield part
        elif isinstance(part, dict) and part.get("type", key) in (_TEXT_PARTS if key == "text" else ("refusal",)):
            value = part.get(key)
            if isinstance(value, str):
                yield value
