"""Teachers' answers beside pictures that they weren't about: what a discriminator that sees learns to tell apart.

A teacher's answer and the same answer beside a swapped picture are alike in length and style, so that what tells them
apart is whether the answer fits the picture.
"""

from collections.abc import Collection, Mapping, Sequence

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
        said: what teachers said, by sample id.
        seed: of the choice.
    """

    def __init__(self, samples: Sequence[Sample], said: Mapping[str, Collection[str]], seed: int) -> None:
        conversations = [sample.conversation for sample in samples]
        turns = [swapped(conversations, row_seed(seed, "swap", turn)) for turn in range(_TURNS)]
        self._others: dict[str, list[Conversation | None]] = {
            sample.id: others for sample, *others in zip(samples, *turns, strict=True)
        }
        self._said: dict[ConversationKey, set[str]] = {}
        for sample in samples:
            if sample.id in said and (key := _key(sample.conversation)) is not None:
                self._said.setdefault(key, set()).update(said[sample.id])

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
            if other is not None and self._said.get(other.key, set()).isdisjoint(texts):
                return other
        return None


def _key(conversation: Conversation) -> ConversationKey | None:
    """None where a picture can't be read: it is lent to nobody."""
    try:
        return conversation.key
    except RowError:
        return None
