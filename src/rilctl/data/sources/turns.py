"""Conversations: each answer becomes a row of its own, asked by the user turn before it.

Earlier turns are not shown to the model, nor are system turns; the images of earlier user turns are. A row's id is
the conversation's with `#` and the number of the answer, from 1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rilctl.config.data import ColumnsConfig
from rilctl.data.images import as_cells, decode_inline, is_inline
from rilctl.data.sources.base import RawRow
from rilctl.data.sources.lines import Line, read_list_or_lines
from rilctl.errors import RowError

TURN_COLUMNS = ColumnsConfig()

Conversation = Mapping[str, object]


@dataclass(frozen=True)
class Turn:
    """What one side said.

    Args:
        role: `user`, `assistant` or `system`.
        text: without images; `<image>` marks may be left in it.
        images: one entry for each picture; None where it is the next of the conversation's own list of images.
    """

    role: str
    text: str
    images: tuple[object, ...] = ()


def read_conversations(
    path: Path, id_key: str, turns_key: str, to_turns: Callable[[object], list[Turn]]
) -> Iterator[RawRow]:
    """Rows of a file of conversations.

    Args:
        path: a JSON list or JSON Lines.
        id_key: key of the id; conversations without one are numbered from 0.
        turns_key: key of the list of turns.
        to_turns: reads that list; raises `RowError`.
    """
    for index, line in enumerate(read_list_or_lines(path)):
        try:
            if isinstance(line.value, RowError):
                raise line.value
            yield from _rows(
                line, line.value.get(id_key, index) if id_key else index, partial(_turns, turns_key, to_turns)
            )
        except RowError as error:
            yield RawRow(line.name, error)


def _turns(key: str, to_turns: Callable[[object], list[Turn]], value: Conversation) -> list[Turn]:
    if key not in value:
        raise RowError("field-missing", f"no `{key}`")
    return _with_images(to_turns(value[key]), [*as_cells(value.get("image")), *as_cells(value.get("images"))])


def _rows(line: Line, conversation_id: object, turns_of: Callable[[Conversation], list[Turn]]) -> list[RawRow]:
    """All rows of one conversation, or a `RowError` for all of them."""
    assert not isinstance(line.value, RowError)
    rows: list[RawRow] = []
    images: list[object] = []
    asked: list[str] = []
    for place, turn in enumerate(turns_of(line.value)):
        if turn.role == "user":
            asked.append(turn.text)
            images += [
                partial(_inline_image, line, turns_of, place, index) if is_inline(cell) else cell
                for index, cell in enumerate(turn.images)
            ]
        elif turn.role == "assistant":
            if not asked:
                raise RowError("conversation-invalid", f"{line.name}: an answer without a question before it")
            rows.append(_row(line.name, conversation_id, len(rows) + 1, images, asked, turn.text))
            asked = []
        elif turn.role != "system":
            raise RowError("conversation-invalid", f"{line.name}: unknown role `{turn.role}`")
    if asked:  # not silently: its answer is empty, and the row is rejected for that
        rows.append(_row(line.name, conversation_id, len(rows) + 1, images, asked, ""))
    if not rows:
        raise RowError("conversation-invalid", f"{line.name}: no question")
    return rows


def _row(
    name: str, conversation_id: object, number: int, images: Sequence[object], asked: Sequence[str], answer: str
) -> RawRow:
    row_id = f"{conversation_id}#{number}" if type(conversation_id) in (str, int) else conversation_id
    fields = {"id": row_id, "images": tuple(images), "question": "\n".join(asked), "answer": answer}
    return RawRow(f"{name}#{number}", fields)


def _inline_image(line: Line, turns_of: Callable[[Conversation], list[Turn]], place: int, index: int) -> bytes:
    return decode_inline(str(turns_of(line.fetch())[place].images[index]), line.name)


def _with_images(turns: list[Turn], listed: list[object]) -> list[Turn]:
    """Give every mark its image from the conversation's own list; those without a mark go to the first question."""
    left = iter(listed)
    placed: list[Turn] = []
    for turn in turns:
        images = tuple(next(left, None) if image is None else image for image in turn.images)
        if None in images:
            raise RowError("image-missing", f"more image marks than images ({len(listed)})")
        placed.append(Turn(turn.role, turn.text, images))
    for place, turn in enumerate(placed):
        if turn.role == "user":
            placed[place] = Turn(turn.role, turn.text, (*turn.images, *left))
            break
    return placed
