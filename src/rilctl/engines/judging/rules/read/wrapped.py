"""Replies that are one JSON object: `{"answer": "yes", "reason": "…"}`."""

import json
import re
from typing import Any

from rilctl.engines.judging.rules.read.clauses import asked_stems, stem

_REASONS = frozenset({
    "reasoning", "reason", "reasons", "explanation", "rationale", "thought", "thoughts", "thinking",
    "confidence", "steps", "question",
    "analysis", "description",
})  # fmt: skip
_ANSWERS = frozenset({"final", "answer", "answers", "result", "solution", "choice", "option", "response"})
_JOINTS = re.compile(r"[_\s-]+")
_MAX_CHARS = 4000
_MAX_ITEMS = 50


def unwrapped(text: str, question: str) -> str:
    """The one value of such a reply that isn't a reason, a list with commas between its items; else the text.

    Nothing is left of an object that has a key twice.

    Args:
        text: tidy.
        question: a key says what it asks for, or that it is the answer.
    """
    inner = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not (inner.startswith("{") and inner.endswith("}") and '"' in inner) or len(inner) > _MAX_CHARS:
        return text
    try:
        loaded = json.loads(inner, object_pairs_hook=_unique)
    except KeyError:
        return ""
    except (ValueError, RecursionError):
        return text
    named = [(key, value) for key, value in loaded.items() if key.casefold() not in _REASONS]
    if len(named) != 1 or not _is_asked(named[0][0], question):
        return text
    return _written(named[0][1]) or text


def _is_asked(key: str, question: str) -> bool:
    """Whether a key says that its value is the answer, or names what was asked for."""
    words = _JOINTS.sub(" ", key).casefold().split()
    return bool(words) and (frozenset(words) <= _ANSWERS or frozenset(map(stem, words)) <= asked_stems(question))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise KeyError("a key stands twice")
    return dict(pairs)


def _written(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return json.dumps(value)
    if isinstance(value, list) and 0 < len(value) <= _MAX_ITEMS:
        items = [_written(item) for item in value]
        return None if any(item is None or "," in item for item in items) else ", ".join(filter(None, items))
    return None
