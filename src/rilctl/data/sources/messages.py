"""Tables of which a column holds chat messages, as data sets on the hub have them for TRL and others."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from rilctl.config.data import ColumnsConfig
from rilctl.data.sources.base import RawRow, Table
from rilctl.data.sources.chat import chat_rows
from rilctl.data.sources.lines import Line
from rilctl.data.sources.turns import TURN_COLUMNS
from rilctl.data.videos import VIDEO_KEYS
from rilctl.errors import RowError


def with_messages(table: Table) -> Table:
    """The answers of the conversations in `columns.messages`, or the table itself where no column holds any."""
    if not table.columns.messages:
        return table
    return replace(table, rows=_answers(table), columns=TURN_COLUMNS, text_only_rows=True)


def _answers(table: Table) -> Iterator[RawRow]:
    columns = table.columns
    for index, row in table.numbered():
        if isinstance(row.fields, RowError):
            yield row
            continue
        value = _conversation(row.fields, columns)
        own_id = row.fields.get(columns.id) if columns.id else None
        yield from chat_rows(Line(index, row.name, value, partial(_same, value)), own_id, index)


def _conversation(fields: Mapping[str, object], columns: ColumnsConfig) -> dict[str, object]:
    """A row in the form of `chat`."""
    messages, answer = fields.get(columns.messages), fields.get(columns.answer)
    if isinstance(messages, list) and messages and answer is not None and _asks(messages[-1]):
        messages = [*messages, *(answer if isinstance(answer, list) else [{"role": "assistant", "content": answer}])]
    images = {"images": fields[columns.images]} if columns.images in fields else {}
    videos = {key: fields[key] for key in VIDEO_KEYS if key in fields}
    return {"messages": messages, **images, **videos}


def _asks(message: object) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "user"


def _same(value: Mapping[str, object]) -> Mapping[str, object]:
    return value
