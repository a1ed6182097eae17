"""From the turns that a source holds to a `Conversation`."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Literal

from rilctl.data.conversation import Conversation, Turn
from rilctl.data.images import to_image_ref
from rilctl.data.sample import ImageRef
from rilctl.data.sources.base import RawTurn, Shown
from rilctl.data.texts import checked, without_markup
from rilctl.errors import RowError


def to_conversation(name: str, turns: Sequence[RawTurn], roots: Sequence[Path], max_px: int) -> Conversation:
    """A conversation whose pictures are not looked at yet.

    Args:
        name: of the row, for messages.
        turns: perhaps a system turn, then user and assistant in turn; last the question.
        roots: folders that image paths may lie in.
        max_px: see `ImageRef`.

    Raises:
        RowError: an empty turn, `template-token`, `video-unsupported`, `text-invalid`, or as `to_image_ref`.
    """
    system = None
    if turns[0].role == "system":
        system = checked("system", "".join(part for part in turns[0].parts if isinstance(part, str)))
        turns = turns[1:]
    number = count(1)

    def picture(shown: Shown) -> ImageRef:
        return to_image_ref(shown.cell, name=f"{name}, image {next(number)}", roots=roots, max_px=max_px)

    made = [
        Turn(_role(turn), tidy([part if isinstance(part, str) else picture(part) for part in turn.parts]))
        for turn in turns
    ]
    for turn in made:
        what = "question" if turn is made[-1] else "earlier turn"
        if not turn.parts or (turn is made[-1] and not any(isinstance(part, str) for part in turn.parts)):
            raise RowError(f"{what.replace(' ', '-')}-empty", f"the {what} is empty")
        for part in turn.parts:
            if isinstance(part, str):
                without_markup(what, part)
    return Conversation(made[-1], tuple(made[:-1]), system)


def tidy(parts: Sequence[str | ImageRef]) -> tuple[str | ImageRef, ...]:
    """Parts of one turn: neighbouring texts as one, none of white space alone, none around the turn or its pictures.

    White space within a text stays, also before a picture that stands in it.
    """
    joined: list[str | ImageRef] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    kept = [part for part in joined if not isinstance(part, str) or part.strip()]
    first = next((place for place, part in enumerate(kept) if isinstance(part, str)), None)
    if first is not None:  # pictures stand before it, if anything
        kept[first] = str(kept[first]).lstrip()
    if kept and isinstance(kept[-1], str):
        kept[-1] = kept[-1].rstrip()
    return tuple(kept)


def _role(turn: RawTurn) -> Literal["user", "assistant"]:
    return "assistant" if turn.role == "assistant" else "user"
