"""Chat format: `{"messages": [{"role": "user", "content": "…" | [{"type": "text" | "image" | "image_url", …}]}, …]}`.

A picture is given in its part (`image`, `image_url`, `source`, also as base64), or marked there (`{"type": "image"}`,
or `<image>` in plain text) and listed in the conversation's `images`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rilctl.config.data import ChatData
from rilctl.data.conversation import IMAGE_MARK
from rilctl.data.images import unwrapped
from rilctl.data.sources.base import RawRow, RawTurn, Shown, Table, absolute, existing
from rilctl.data.sources.lines import Line, open_objects
from rilctl.data.sources.turns import (
    TURN_COLUMNS,
    conversation_rows,
    marked,
    read_conversations,
    role_of,
    said_text,
)
from rilctl.errors import RowError

_TEXTS = ("text", "input_text", "output_text")
_IMAGES = ("image", "image_url", "input_image")
_PLACES = ("image", "image_url", "source", "path", "url")
"""Where a part may hold its picture."""


def open_chat(config: ChatData, base_dir: Path, most_rows: int | None = None) -> Table:
    """The answers of a chat file. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    objects = open_objects(path, most_rows)
    rows = read_conversations(objects.lines, config.id, "messages", _to_turns)
    return Table(f"chat:{config.path}", rows, TURN_COLUMNS, (root,), text_only_rows=True, drawn=objects.drawn)


def chat_rows(line: Line, own_id: object, index: int) -> Iterator[RawRow]:
    """Rows of one conversation; `own_id` and `index` as `conversation_rows` has them."""
    return conversation_rows(line, own_id, index, "messages", _to_turns)


def _to_turns(value: object) -> list[RawTurn]:
    if not isinstance(value, list):
        raise RowError("field-type", f"`messages` must be a list, found {type(value).__name__}")
    return [_to_turn(message) for message in value]


def _to_turn(message: object) -> RawTurn:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RowError("conversation-invalid", "a message must have `role` and `content`")
    role, content = role_of(message["role"]), message.get("content")
    if not isinstance(content, list):
        text = said_text(content, "a message's `content`")
        return RawTurn(role, marked(text) if role == "user" else (text,))
    if not all(isinstance(part, dict) for part in content):
        raise RowError("field-type", "`content` must be text or a list of parts")
    has_pictures = any(part.get("type") not in _TEXTS for part in content)
    parts: list[str | Shown] = []
    for part in content:
        if part.get("type") not in _TEXTS:
            parts.append(Shown(_image(part)))
            continue
        text = said_text(part.get("text"), "a text part's `text`")
        if parts and isinstance(parts[-1], str):
            parts.append("\n")
        parts += marked(text) if role == "user" and not has_pictures else (text.replace(IMAGE_MARK, ""),)
    return RawTurn(role, tuple(parts))


def _image(part: Mapping[str, object]) -> object:
    kind = part.get("type")
    if "video" in str(kind):
        raise RowError("video-unsupported", f"a part of type `{kind}`: videos can't be shown; take frames as images")
    if kind not in _IMAGES:
        raise RowError("conversation-invalid", f"a part of type `{kind}` can't be shown to the model")
    value = next((part[key] for key in _PLACES if part.get(key)), None)
    if value is None and part.keys() & {"file_id"}:
        raise RowError("image-remote", "a `file_id` names a picture at a provider; download the images first")
    return unwrapped(value)
