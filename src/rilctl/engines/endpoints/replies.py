"""From the bytes of a chat completion to a text; everything that is no answer has a reason of its own."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.generation.base import Usage
from rilctl.errors import RowError

_MAX_QUOTED_CHARS = 200


@dataclass(frozen=True)
class Reply:
    """A text, why it ended, and what it cost where the endpoint counts."""

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage | None


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object of a reply. Raises `Retriable`: `reply-not-json` for HTML, plain text, half of one, a list."""
    try:
        body = json.loads(content)
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
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def read_reply(body: dict[str, Any]) -> Reply:
    """The answer in a chat completion.

    Raises:
        Retriable: `reply-no-choices` where the envelope is empty, `endpoint-error` where it holds an error instead.
        RowError: `content-filter`, `model-refused`, `reply-no-content`, `reply-unfinished` or `text-invalid`.
    """
    if body.get("error") and not body.get("choices"):
        raise Retriable("endpoint-error", f"the reply holds an error: {error_message(body)}")
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Retriable("reply-no-choices", "the reply has no choices")
    finish, content = choice.get("finish_reason"), message.get("content")
    if finish == "content_filter":
        raise RowError("content-filter", "the endpoint's filter held the answer back")
    if message.get("refusal"):
        raise RowError(
            "model-refused", f"the model refused: {quoted(str(message['refusal']).encode(errors='replace'))}"
        )
    if not isinstance(content, str):
        raise RowError("reply-no-content", f"the reply has no text (finish_reason {finish!r})")
    if finish not in ("stop", "length"):
        raise RowError("reply-unfinished", f"the reply did not end as an answer does (finish_reason {finish!r})")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise RowError("text-invalid", "the answer has half a surrogate pair, which no text can hold") from None
    return Reply(content, finish, read_usage(body))


def error_message(body: dict[str, Any]) -> str:
    """What an error body says, in whatever form: `{"error": {"message"}}`, `{"error": "…"}`, `{"detail": …}`."""
    error = body.get("error", body.get("detail", body.get("message", "")))
    text = error.get("message", error) if isinstance(error, dict) else error
    return quoted(str(text).encode(errors="replace"))


def error_code(body: dict[str, Any]) -> str:
    """The short code of an error body, such as `insufficient_quota`; empty where it has none."""
    error = body.get("error")
    return str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""


def quoted(content: bytes) -> str:
    """The beginning of something for a message: one line, printable."""
    text = " ".join(content[: 4 * _MAX_QUOTED_CHARS].decode(errors="replace").split())
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= _MAX_QUOTED_CHARS else f"{printable[:_MAX_QUOTED_CHARS]}…"
