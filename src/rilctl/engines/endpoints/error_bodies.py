"""What a server says when it doesn't answer: read from whatever form it has, and quoted in a line."""

import re
from typing import Any

_MAX_QUOTED_CHARS = 200
_ABOUT_CONTENT = re.compile(
    r"content[ _-]?(filter|policy|management|moderation)|moderation|\bflagged\b|safety (system|filter|policy|polic)"
    r"|prohibited[ _]content|inappropriate|data[ _]?inspection|sensitive (content|information|words?)"
    r"|usage polic|invalid_prompt|responsible ?ai",
    re.IGNORECASE,
)
"""Codes and words of OpenAI, Azure, Google, Anthropic, Mistral, DashScope and OpenRouter for what one question says."""


def error_message(body: dict[str, Any]) -> str:
    """What an error body says, in whatever form: `{"error": {"message"}}`, `{"error": "…"}`, `{"detail": …}`."""
    error = body.get("error", body.get("detail", body.get("message", "")))
    text = error.get("message", error) if isinstance(error, dict) else error
    return quoted(str(text).encode(errors="replace"))


def error_code(body: dict[str, Any]) -> str:
    """The short code of an error body, such as `insufficient_quota`; empty where it has none."""
    error = body.get("error")
    return str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""


def is_about_content(said: str, code: str) -> bool:
    """Whether an error is about what one question holds, not about who asks or how.

    Args:
        said: its message.
        code: its short code.
    """
    return bool(_ABOUT_CONTENT.search(said) or _ABOUT_CONTENT.search(code))


def quoted(content: bytes) -> str:
    """The beginning of something for a message: one line, printable."""
    text = " ".join(content[: 4 * _MAX_QUOTED_CHARS].decode(errors="replace").split())
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= _MAX_QUOTED_CHARS else f"{printable[:_MAX_QUOTED_CHARS]}…"
