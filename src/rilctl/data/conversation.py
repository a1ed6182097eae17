"""What is asked: the last user turn, what was said before it, and the pictures where they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from rilctl.schemas.records import ContextTurn

if TYPE_CHECKING:
    from rilctl.data.sample import ImageRef

IMAGE_MARK = "<image>"
"""Where a picture stands, in data sets and in texts for people; in a prompt the template has its own marks."""

ConversationKey = tuple[str | None, tuple[tuple[str, tuple[str | tuple[str], ...]], ...]]
"""The system turn, and of every other turn who spoke, the texts, and the digests of pictures in tuples of one."""


@dataclass(frozen=True)
class Turn:
    """What one side said, pictures where they stand.

    Args:
        role: who said it.
        parts: no two texts are neighbours.
    """

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | ImageRef, ...]

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """The pictures, in order."""
        return tuple(part for part in self.parts if not isinstance(part, str))

    @property
    def marked(self) -> str:
        """For people: every picture is a mark."""
        return _marked(self.parts)

    @property
    def text(self) -> str:
        """For people: pictures within or after the text are marks; those before it aren't shown."""
        parts = self.parts
        while parts and not isinstance(parts[0], str):
            parts = parts[1:]
        return _marked(parts)


@dataclass(frozen=True)
class Conversation:
    """A prompt before it is in any model's form; it is what every verb asks, and can be sent to another process.

    Args:
        last: the user turn that is to be answered.
        earlier: user and assistant turns before it.
        system: the system turn; None where there is none.
    """

    last: Turn
    earlier: tuple[Turn, ...] = ()
    system: str | None = None

    @classmethod
    def of(cls, question: str, images: Sequence[ImageRef] = ()) -> Conversation:
        """A question after its pictures, and nothing before them."""
        return cls(Turn("user", (*images, question)))

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All but the system turn."""
        return (*self.earlier, self.last)

    @property
    def question(self) -> str:
        """The last turn's text; `<image>` stands for a picture within or after it."""
        return self.last.text

    @cached_property
    def images(self) -> tuple[ImageRef, ...]:
        """All pictures, in order."""
        return tuple(image for turn in self.turns for image in turn.images)

    @property
    def image_digests(self) -> list[str]:
        """Identity of each picture, in order. Raises `RowError` where one can't be read."""
        return [image.digest for image in self.images]

    @property
    def context(self) -> tuple[ContextTurn, ...]:
        """What was said before the question, as records hold it: a picture is a mark."""
        system = () if self.system is None else (ContextTurn(role="system", text=self.system),)
        return system + tuple(ContextTurn(role=turn.role, text=turn.marked) for turn in self.earlier)

    @property
    def texts(self) -> Iterator[str]:
        """Every piece of text, the system turn included."""
        if self.system is not None:
            yield self.system
        yield from (part for turn in self.turns for part in turn.parts if isinstance(part, str))

    @property
    def key(self) -> ConversationKey:
        """Equal for equal prompts, wherever the pictures come from. Raises `RowError` where one can't be read."""
        return self.system, tuple(
            (turn.role, tuple(part if isinstance(part, str) else (part.digest,) for part in turn.parts))
            for turn in self.turns
        )

    def led_by(self, system: str | None) -> Conversation:
        """The same with this system turn, where it has none of its own."""
        return self if system is None or self.system is not None else replace(self, system=system)

    def followed_by(self, text: str) -> Conversation:
        """The same with this text below the question, in its turn."""
        parts = self.last.parts
        *before, question = parts if parts and isinstance(parts[-1], str) else (*parts, "")
        below = f"{question}\n\n{text}" if question else text
        return replace(self, last=replace(self.last, parts=(*before, below)))

    def shortened(self, max_turns: int) -> Conversation:
        """The same with no more user turns than this, the last included.

        Pictures of turns that go stay, before the first turn that stays: they are what is talked about.
        """
        asked = [place for place, turn in enumerate(self.earlier) if turn.role == "user"]
        num_over = len(asked) + 1 - max_turns
        if num_over <= 0:
            return self
        start = asked[num_over] if num_over < len(asked) else len(self.earlier)
        first, *others = self.turns[start:]
        first = replace(first, parts=(*(image for turn in self.turns[:start] for image in turn.images), *first.parts))
        *earlier, last = (first, *others)
        return replace(self, last=last, earlier=tuple(earlier))

    def without_pictures(self) -> Conversation:
        """Only its words."""
        last, *earlier = (replace(turn, parts=_joined(turn.parts)) for turn in self.turns[::-1])
        return replace(self, last=last, earlier=tuple(reversed(earlier)))

    def with_pictures(self, images: Sequence[ImageRef]) -> Conversation:
        """The same with these pictures, in their order, where its own stood; as many as it has."""
        left = iter(images)
        *earlier, last = (
            replace(turn, parts=tuple(part if isinstance(part, str) else next(left) for part in turn.parts))
            for turn in self.turns
        )
        return replace(self, last=last, earlier=tuple(earlier))

    def fetched(self) -> Conversation:
        """The same with pictures that can be sent to another process. Raises `RowError` as `ImageRef.fetched`."""
        last, *earlier = (
            replace(turn, parts=tuple(part if isinstance(part, str) else part.fetched() for part in turn.parts))
            for turn in (self.last, *self.earlier)
        )
        return replace(self, last=last, earlier=tuple(earlier))


def _joined(parts: Sequence[str | ImageRef]) -> tuple[str, ...]:
    return ("".join(part for part in parts if isinstance(part, str)),)


def _marked(parts: Sequence[str | ImageRef]) -> str:
    return "".join(part if isinstance(part, str) else IMAGE_MARK for part in parts)
