"""Conversations: each answer becomes a row of its own, asked by all that was said before it.

A row's id is the conversation's with `#` and the number of the answer, from 1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from rilctl.config.data import ColumnsConfig
from rilctl.data.conversation import IMAGE_MARK
from rilctl.data.images import as_cells, decode_inline, is_inline
from rilctl.data.sources.base import RawRow, RawTurn, Shown
from rilctl.data.sources.lines import Line
from rilctl.data.videos import refuse_videos
from rilctl.errors import RowError
from rilctl.schemas.answers import answer_text

TURN_COLUMNS = ColumnsConfig(images="", question="")

MOST_TURNS = 1000
"""Of a conversation: an answer's row holds all that was said before it, so time and room grow with the square."""
_ROLES = {"human": "user", "gpt": "assistant", "developer": "system"}
_KNOWN = ("system", "user", "assistant")

TurnsOf = Callable[[Mapping[str, object]], list[RawTurn]]


@dataclass(frozen=True)
class _Reader:
    """What a format's turns are made of.

    Args:
        key: of the list of turns.
        to_turns: reads that list; a picture without a value is the next of the conversation's own list.
    """

    key: str
    to_turns: Callable[[object], list[RawTurn]]

    def turns(self, value: Mapping[str, object]) -> list[RawTurn]:
        """The turns with their pictures. Raises `RowError`."""
        refuse_videos(value)
        if value.get("objects"):
            raise RowError(
                "conversation-invalid", "`objects`: boxes aren't written into texts; write them there yourself"
            )
        turns = self.to_turns(self._listed(value))
        system = value.get("system")
        if isinstance(system, str) and system.strip() and not (turns and turns[0].role == "system"):
            turns = [RawTurn("system", (system,)), *turns]
        return _with_images(turns, [*as_cells(value.get("image")), *as_cells(value.get("images"))])

    def _listed(self, value: Mapping[str, object]) -> object:
        """The list of turns, or that of a prompt and its completion, which may be plain texts."""
        if self.key in value:
            return value[self.key]
        if not {"prompt", "completion"} <= value.keys():
            raise RowError("field-missing", f"no `{self.key}`")
        listed: list[object] = []
        for key, role in (("prompt", "user"), ("completion", "assistant")):
            part = value[key]
            listed += part if isinstance(part, list) else [{"role": role, "content": part, "from": role, "value": part}]
        return listed


def read_conversations(
    lines: Iterable[Line], id_key: str, turns_key: str, to_turns: Callable[[object], list[RawTurn]]
) -> Iterator[RawRow]:
    """Rows of a file of conversations.

    Args:
        lines: the conversations.
        id_key: key of the id; conversations without one are numbered from 0.
        turns_key: key of the list of turns.
        to_turns: reads that list; raises `RowError`.
    """
    for line in lines:
        own_id = line.value.get(id_key) if id_key and not isinstance(line.value, RowError) else None
        yield from conversation_rows(line, own_id, line.index, turns_key, to_turns)


def conversation_rows(
    line: Line, own_id: object, index: int, turns_key: str, to_turns: Callable[[object], list[RawTurn]]
) -> Iterator[RawRow]:
    """Rows of one conversation.

    Args:
        line: the conversation.
        own_id: its id; None or empty where it has none.
        index: its place, which is its id then.
        turns_key: key of the list of turns.
        to_turns: reads that list; raises `RowError`.
    """
    is_numbered = own_id in (None, "")
    try:
        if isinstance(line.value, RowError):
            raise line.value
        for row in _rows(line, index if is_numbered else own_id, _Reader(turns_key, to_turns).turns):
            yield replace(row, is_numbered=is_numbered)
    except RowError as error:
        yield RawRow(line.name, error, known_as=str(own_id) if type(own_id) in (str, int) else "")


def role_of(name: str) -> str:
    """Who speaks, by any format's word for it."""
    return _ROLES.get(name, name)


def said_text(value: object, what: str) -> str:
    """A text, number, true or false as text. Raises `RowError` for anything else, null included."""
    if value is None or isinstance(value, list | dict):
        raise RowError("field-type", f"{what} must be text, found {'null' if value is None else type(value).__name__}")
    return answer_text(value, what)


def marked(text: str) -> tuple[str | Shown, ...]:
    """A text with marks as parts: each mark is the next picture of the conversation's list."""
    first, *others = text.split(IMAGE_MARK)
    return (first, *(part for each in others for part in (Shown(None), each)))


def _rows(line: Line, conversation_id: object, turns_of: TurnsOf) -> list[RawRow]:
    """All rows of one conversation, or a `RowError` for all of them."""
    assert not isinstance(line.value, RowError)
    rows: list[RawRow] = []
    said: list[RawTurn] = []
    turns = turns_of(line.value)
    if len(turns) > MOST_TURNS:
        raise RowError("conversation-invalid", f"{line.name}: {len(turns):,} turns, at most {MOST_TURNS:,} are read")
    for place, turn in enumerate(turns):
        _check_place(line.name, turn, said)
        parts = tuple(
            Shown(partial(_inline_image, line, turns_of, place, index))
            if isinstance(part, Shown) and is_inline(part.cell)
            else part
            for index, part in enumerate(turn.parts)
        )
        if turn.role == "assistant":
            rows.append(_row(line.name, conversation_id, len(rows) + 1, said, parts))
        if said and said[-1].role == turn.role:  # templates want turns to alternate
            said[-1] = RawTurn(turn.role, (*said[-1].parts, "\n", *parts))
        else:
            said.append(RawTurn(turn.role, parts))
    if said and said[-1].role == "user":  # not silently: its answer is empty, and the row is rejected for that
        rows.append(_row(line.name, conversation_id, len(rows) + 1, said, ("",)))
    if not rows:
        raise RowError("conversation-invalid", f"{line.name}: no question")
    return rows


def _check_place(name: str, turn: RawTurn, said: list[RawTurn]) -> None:
    """Raise `RowError` where a turn stands where no template has a place for it."""
    if turn.role not in _KNOWN:
        raise RowError("conversation-invalid", f"{name}: a turn of `{turn.role}` can't be shown to the model")
    if turn.role == "assistant" and (not said or said[-1].role != "user"):
        raise RowError("conversation-invalid", f"{name}: an answer without a question before it")
    if turn.role == "system" and said and said[-1].role != "system":
        raise RowError("conversation-invalid", f"{name}: a system turn after the conversation began")
    if turn.role == "system" and any(isinstance(part, Shown) for part in turn.parts):
        raise RowError("conversation-invalid", f"{name}: a picture in the system turn")


def _row(
    name: str, conversation_id: object, number: int, said: list[RawTurn], answer: tuple[str | Shown, ...]
) -> RawRow:
    row_id = f"{conversation_id}#{number}" if type(conversation_id) in (str, int) else conversation_id
    if any(isinstance(part, Shown) for part in answer):
        picture = RowError("conversation-invalid", "a picture in the answer")
        return RawRow(f"{name}#{number}", picture, known_as=str(row_id))
    fields = {"id": row_id, "answer": "".join(str(part) for part in answer)}
    return RawRow(f"{name}#{number}", fields, tuple(said))


def _inline_image(line: Line, turns_of: TurnsOf, place: int, index: int) -> bytes:
    part = turns_of(line.fetch())[place].parts[index]
    assert isinstance(part, Shown)
    return decode_inline(str(part.cell), line.name)


def _with_images(turns: list[RawTurn], listed: list[object]) -> list[RawTurn]:
    """Give every mark its image from the conversation's own list; those without a mark go to the first question."""
    left = iter(listed)
    placed: list[RawTurn] = []
    for turn in turns:
        parts = tuple(
            Shown(next(left, None)) if isinstance(part, Shown) and part.cell is None else part for part in turn.parts
        )
        if Shown(None) in parts:
            raise RowError("image-missing", f"more image marks than images ({len(listed)})")
        placed.append(RawTurn(turn.role, parts))
    for place, turn in enumerate(placed):
        if turn.role == "user":
            placed[place] = RawTurn(turn.role, (*(Shown(cell) for cell in left), *turn.parts))
            break
    return placed
