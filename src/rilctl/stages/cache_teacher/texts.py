"""A teacher's text without the tokens that end its turn, which endpoints and files of answers may leave in it."""

import json
import re
from pathlib import Path

from rilctl.config.cache_teacher import TeacherConfig
from rilctl.errors import RowError
from rilctl.models.loaded.source import find_model

_MARKUP = re.compile(r"<\|[\w-]{1,64}\|>|<｜[\w▁]{1,64}｜>")
"""What chat templates are made of, in most families."""
_ENDS = ("</s>", "<eos>", "<end_of_turn>", "<end_of_utterance>")
"""And what ends a turn in the others."""


def special_tokens(teacher: TeacherConfig, base_dir: Path) -> tuple[str, ...]:
    """The special tokens of a teacher whose model lies here; none of an endpoint's, whose model can't be looked at."""
    if teacher.endpoint is not None:
        return ()
    file = find_model(teacher.model, revision=teacher.revision, base_dir=base_dir).path / "tokenizer.json"
    if not file.is_file():
        return ()
    added = json.loads(file.read_text(encoding="utf-8")).get("added_tokens", ())
    return tuple(token["content"] for token in added if token.get("special") and token.get("content"))


def plain_text(text: str, own_tokens: tuple[str, ...] = ()) -> str:
    """The text without special tokens at its end: of the teacher's model, or of the kinds that everybody knows.

    `</s>` also ends what `<s>` struck out, so it stays where that is there.

    Raises:
        RowError: `template-token` where more than its end is markup, `response-empty` where nothing else is left.
    """
    plain = text
    while end := _end_of(plain.rstrip(), own_tokens):
        plain = plain.rstrip().removesuffix(end).rstrip()
    if found := _MARKUP.search(plain):
        raise RowError("template-token", f"the response holds `{found.group()}` before its end")
    if text and not plain:
        raise RowError("response-empty", f"the response is nothing but `{text.strip()[:80]}`")
    return plain


def _end_of(text: str, own_tokens: tuple[str, ...]) -> str | None:
    ends = own_tokens + tuple(end for end in _ENDS if end != "</s>" or "<s>" not in text)
    known = next((end for end in ends if text.endswith(end)), None)
    if known is not None or not text.endswith(("|>", "｜>")):
        return known
    last = max(text.rfind("<|"), text.rfind("<｜"))
    return text[last:] if last >= 0 and _MARKUP.fullmatch(text, last) else None
