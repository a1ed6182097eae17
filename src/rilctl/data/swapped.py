"""The same questions beside other pictures: who looks answers otherwise.

What a question's answer owes to its picture is what it loses beside another one. The other picture is that of a
question of the same form, so that it fits what is asked: of the same words, or, where all that ask these words show one
picture, of as many pictures.
"""

from collections.abc import Hashable, Sequence

from rilctl.config.fields import OtherPicture
from rilctl.data.conversation import IMAGE_MARK, Conversation
from rilctl.data.sample import ImageRef
from rilctl.data.seeds import row_seed
from rilctl.errors import RowError

Digests = tuple[str, ...]
"""Of a conversation's pictures, in order."""


def beside(conversations: Sequence[Conversation], picture: OtherPicture, seed: int) -> list[Conversation | None]:
    """The same questions with another question's picture, or with none: the words alone.

    Args:
        conversations: those that may lend each other pictures.
        picture: which.
        seed: of the swap.

    Returns:
        In their order; None where there is no picture to begin with, or no other one.
    """
    if picture == "swapped":
        return swapped(conversations, seed)
    return [each.without_pictures() if each.images else None for each in conversations]


def swapped(conversations: Sequence[Conversation], seed: int) -> list[Conversation | None]:
    """Each conversation with the pictures of another one, none of which is among its own by digest.

    The pictures of a form go round in an order that depends on them and the seed alone: all questions about one
    picture get the same other one, and each other one is given to as many pictures as it takes from.

    Args:
        conversations: those that may lend each other pictures; their order doesn't matter.
        seed: of the order.

    Returns:
        In their order; None where there is no picture, none that can be read, or no other one.
    """
    digests = [_digests(each) for each in conversations]
    lenders: dict[Hashable, dict[Digests, tuple[ImageRef, ...]]] = {}
    for each, own in zip(conversations, digests, strict=True):
        if own:
            for form in _forms(each):
                lenders.setdefault(form, {}).setdefault(own, each.images)
    partners = {form: _go_round([*found], seed) for form, found in lenders.items()}
    return [
        next(
            (each.with_pictures(lenders[form][other]) for form in _forms(each) if (other := partners[form].get(own))),
            None,
        )
        if own
        else None
        for each, own in zip(conversations, digests, strict=True)
    ]


def _go_round(pictures: list[Digests], seed: int) -> dict[Digests, Digests]:
    """For each the next one that shares no picture with it, where there is one."""
    order = sorted(pictures, key=lambda digests: (row_seed(seed, *digests), digests))
    found: dict[Digests, Digests] = {}
    for place, own in enumerate(order):
        others = (order[(place + step) % len(order)] for step in range(1, len(order)))
        if (other := next((each for each in others if not {*each} & {*own}), None)) is not None:
            found[own] = other
    return found


def _digests(conversation: Conversation) -> Digests:
    """None where a picture can't be read: whoever asks the question says so."""
    try:
        return tuple(conversation.image_digests)
    except RowError:
        return ()


def _forms(conversation: Conversation) -> tuple[Hashable, ...]:
    """From the narrowest to the widest."""
    words = tuple(
        (turn.role, *(part if isinstance(part, str) else (IMAGE_MARK,) for part in turn.parts))
        for turn in conversation.turns
    )
    return (conversation.system, words), len(conversation.images)
