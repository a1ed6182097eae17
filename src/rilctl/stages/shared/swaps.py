"""Teachers' answers beside pictures that they weren't about: what a discriminator that sees learns to tell apart.

A teacher's answer and the same answer beside a swapped picture are alike in length and style, so that what tells them
apart is whether the answer fits the picture.
"""

from collections.abc import Callable, Collection, Sequence

from rilctl.data.conversation import Conversation, ConversationKey
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.data.swapped import swapped
from rilctl.errors import RowError

_TURNS = 4
"""Other pictures of a question, which take turns, so that none is learned by heart."""


class Swaps:
    """Other pictures for each question; see `swapped` for which.

    Args:
        samples: those that lend each other pictures.
        said: what teachers said of the question with an id; asked when it matters.
        seed: of the choice.
    """

    def __init__(self, samples: Sequence[Sample], said: Callable[[str], Collection[str]], seed: int) -> None:
        conversations = [sample.conversation for sample in samples]
        turns = [swapped(conversations, row_seed(seed, "swap", turn)) for turn in range(_TURNS)]
        self._others: dict[str, list[Conversation | None]] = {
            sample.id: others for sample, *others in zip(samples, *turns, strict=True)
        }
        self._said = said
        self._alike: dict[ConversationKey, list[str]] = {}
        for sample in samples:
            if (key := _key(sample.conversation)) is not None:
                self._alike.setdefault(key, []).append(sample.id)

    def beside(self, sample_id: str, texts: Collection[str], *, turn: int) -> Conversation | None:
        """The question beside another picture, of which no teacher gave one of these answers.

        Args:
            sample_id: the question.
            texts: what teachers said of its own picture: who said the same of the other one said no wrong.
            turn: which of several comes first.

        Returns:
            None where there is no other picture of which these answers may be wrong.
        """
        others = self._others.get(sample_id, [])
        for place in range(len(others)):
            other = others[(turn + place) % len(others)]
            if other is not None and not self._is_said(other.key, texts):
                return other
        return None

    def _is_said(self, key: ConversationKey, texts: Collection[str]) -> bool:
        """Whether a teacher gave one of these answers to a question that reads and looks so."""
        return bool(texts) and any(not {*texts}.isdisjoint(self._said(name)) for name in self._alike.get(key, ()))


def _key(conversation: Conversation) -> ConversationKey | None:
    """None where a picture can't be read: it is lent to nobody."""
    try:
        return conversation.key
    except RowError:
        return None
