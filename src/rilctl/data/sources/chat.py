"""Chat format: `{"messages": [{"role": "user", "content": "…" | [{"type": "text" | "image" | "image_url", …}]}, …]}`.

A picture is given in its part (`image`, `image_url`, also as a data URL), or marked there (`{"type": "image"}`, or
`<image>` in plain text) and listed in the conversation's `images`.
"""

from collections.abc import Mapping
from pathlib import Path

from rilctl.config.data import ChatData
from rilctl.data.conversation import IMAGE_MARK
from rilctl.data.sources.base import Table, absolute, existing
from rilctl.data.sources.turns import TURN_COLUMNS, Turn, read_conversations
from rilctl.errors import RowError


def open_chat(config: ChatData, base_dir: Path) -> Table:
    """The answers of a chat file. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    rows = read_conversations(path, config.id, "messages", _to_turns)
    return Table(f"chat:{config.path}", rows, TURN_COLUMNS, (root,), text_only_rows=True)


def _to_turns(value: object) -> list[Turn]:
    if not isinstance(value, list):
        raise RowError("field-type", f"`messages` must be a list, found {type(value).__name__}")
    return [_to_turn(message) for message in value]


def _to_turn(message: object) -> Turn:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RowError("conversation-invalid", "a message must have `role` and `content`")
    role, content = message["role"], message.get("content")
    if isinstance(content, str):
        return Turn(role, content, (None,) * content.count(IMAGE_MARK) if role == "user" else ())
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise RowError("field-type", f"`content` must be text or a list of parts, found {type(content).__name__}")
    texts = [str(part.get("text", "")) for part in content if part.get("type") == "text"]
    images = tuple(_image(part) for part in content if part.get("type") != "text")
    return Turn(role, "\n".join(texts), images)


def _image(part: Mapping[str, object]) -> object:
    kind = part.get("type")
    if kind not in ("image", "image_url"):
        raise RowError("conversation-invalid", f"a part of type `{kind}` can't be shown to the model")
    value = part.get("image_url") if kind == "image_url" else part.get("image") or part.get("path") or part.get("url")
    return value.get("url") if isinstance(value, dict) and "url" in value else value
