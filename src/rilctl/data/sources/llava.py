"""LLaVA's instruction format: `{"id", "image", "conversations": [{"from": "human", "value": "<image>…"}, …]}`."""

from pathlib import Path

from rilctl.config.data import LlavaData
from rilctl.data.conversation import IMAGE_MARK
from rilctl.data.sources.base import Table, absolute, existing
from rilctl.data.sources.turns import TURN_COLUMNS, Turn, read_conversations
from rilctl.errors import RowError

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def open_llava(config: LlavaData, base_dir: Path) -> Table:
    """The answers of a LLaVA file. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    rows = read_conversations(path, config.id, "conversations", _to_turns)
    return Table(f"llava:{config.path}", rows, TURN_COLUMNS, (root,), text_only_rows=True)


def _to_turns(value: object) -> list[Turn]:
    if not isinstance(value, list):
        raise RowError("field-type", f"`conversations` must be a list, found {type(value).__name__}")
    return [_to_turn(entry) for entry in value]


def _to_turn(entry: object) -> Turn:
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), str):
        raise RowError("conversation-invalid", "a turn must have `from` and `value`")
    role = _ROLES.get(str(entry.get("from")), str(entry.get("from")))
    num_marks = entry["value"].count(IMAGE_MARK) if role == "user" else 0
    return Turn(role, entry["value"], (None,) * num_marks)
