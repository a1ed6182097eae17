"""LLaVA's instruction format: `{"id", "image", "conversations": [{"from": "human", "value": "<image>…"}, …]}`."""

from pathlib import Path

from rilctl.config.data import LlavaData
from rilctl.data.sources.base import RawTurn, Table, absolute, existing
from rilctl.data.sources.lines import open_objects
from rilctl.data.sources.turns import TURN_COLUMNS, marked, read_conversations, role_of, said_text
from rilctl.errors import RowError


def open_llava(config: LlavaData, base_dir: Path, most_rows: int | None = None) -> Table:
    """The answers of a LLaVA file. Raises `DataError`."""
    path = existing(config.path, base_dir)
    root = absolute(config.image_root, base_dir) if config.image_root else path.parent
    objects = open_objects(path, most_rows)
    rows = read_conversations(objects.lines, config.id, "conversations", _to_turns)
    return Table(f"llava:{config.path}", rows, TURN_COLUMNS, (root,), text_only_rows=True, drawn=objects.drawn)


def _to_turns(value: object) -> list[RawTurn]:
    if not isinstance(value, list):
        raise RowError("field-type", f"`conversations` must be a list, found {type(value).__name__}")
    return [_to_turn(entry) for entry in value]


def _to_turn(entry: object) -> RawTurn:
    if not isinstance(entry, dict) or not isinstance(entry.get("from"), str):
        raise RowError("conversation-invalid", "a turn must have `from` and `value`")
    role, value = role_of(entry["from"]), entry.get("value")
    text = said_text(value, "a turn's `value`")
    return RawTurn(role, marked(text) if role == "user" else (text,))
