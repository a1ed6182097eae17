"""What `sft` learns by heart, row by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, overload

from rilctl.data.conversation import Conversation
from rilctl.data.once.stored import with_response
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.schemas.manifest import ArtifactKind, InputEntry
from rilctl.schemas.records import RejectedRecord, response_digest
from rilctl.stages.shared.cached_responses import CachedResponse, CachedResponses, CachedText, Text, text_of


@dataclass(frozen=True, slots=True)
class SftRow:
    """A question and the response to learn.

    Args:
        sample_id: the question's id.
        conversation: what is asked.
        said: the response; of a million of them the texts stay in their files.
        stopped: whether the response's author ended it, so that the stop token is learned too.
        source: the teacher who answered, or `data`.
        response_index: which of its answers to this question; None: the data set has one.
        held_out: whether it is validated on, and not learned.
        correct: what the judge says of the response; None: nothing, or nobody asked.
    """

    sample_id: str
    conversation: Conversation
    said: Text
    stopped: bool
    source: str = "data"
    response_index: int | None = None
    held_out: bool = False
    correct: bool | None = None

    @property
    def text(self) -> str:
        """The response. Raises `ArtifactError` where it can't be read."""
        return text_of(self.said)

    @property
    def key(self) -> str:
        """Tells it from every other row: a question may have many."""
        return f"{'validation' if self.held_out else 'data'}/{self.sample_id}/{self.source}/{self.response_index}"

    def reject(self, error: RowError) -> RejectedRecord:
        """The record of a row that can't be learned."""
        which = "" if self.response_index is None else f"response {self.response_index}: "
        return RejectedRecord.of(self.sample_id, self.source, RowError(error.reason, f"{which}{error.message}"))


_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class Lazily(Sequence[_Made]):
    """What is made of each item when it is asked for.

    Args:
        items: in order.
        make: what of each.
    """

    def __init__(self, items: Sequence[_Item], make: Callable[[_Item], _Made]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> _Made: ...

    @overload
    def __getitem__(self, place: slice) -> "Lazily[_Made]": ...

    def __getitem__(self, place: int | slice) -> "_Made | Lazily[_Made]":
        if isinstance(place, slice):
            return Lazily(self._items[place], self._make)
        return self._make(self._items[place])

    def __iter__(self) -> Iterator[_Made]:
        return map(self._make, self._items)


def data_rows(samples: Sequence[Sample], *, held_out: bool = False) -> Sequence[SftRow]:
    """The data set's own responses, of those questions that have one."""

    def row(sample: Sample) -> SftRow:
        return SftRow(sample.id, sample.conversation, sample.response, True, held_out=held_out)

    return Lazily(with_response(samples), row)


def teacher_rows(
    samples: Sequence[Sample],
    responses: CachedResponses,
    verdicts: Mapping[str, bool] | None = None,
    *,
    held_out: bool = False,
) -> list[SftRow]:
    """The teachers' responses, those to one question next to each other. A text is read only for its verdict.

    Args:
        samples: the questions.
        responses: to them.
        verdicts: by response digest; None: it doesn't matter which are right.
        held_out: whether they are validated on.

    Raises:
        ArtifactError: a text can't be read.
    """
    return [
        SftRow(
            sample.id,
            sample.conversation,
            CachedText(responses, response.number),
            stopped=response.finish_reason != "length",
            source=response.source,
            response_index=response.response_index,
            held_out=held_out,
            correct=correct,
        )
        for sample in samples
        for response, correct in _judged(sample, responses, verdicts)
    ]


def _judged(
    sample: Sample, responses: CachedResponses, verdicts: Mapping[str, bool] | None
) -> Iterator[tuple[CachedResponse, bool | None]]:
    """A question's responses, with what is known of them.

    That goes by the ground truth of the data, which may be hidden, and not by that which the cache knows of.
    """
    found = responses.of(sample.id)
    if not verdicts:
        yield from ((response, None) for response in found)
        return
    asked, context = sample.question, sample.conversation.context
    texts = responses.texts([response.number for response in found])
    for response, text in zip(found, texts, strict=True):
        yield response, verdicts.get(response_digest(asked, sample.answer, text, context))


Unit = tuple[SftRow, ...]
"""Rows that are learned together."""


def counted(num_kept: int, left_out: Mapping[str, int]) -> dict[str, float]:
    """Metrics of what is learned of the rows that there are, and why others aren't."""
    counts = {f"sft/num_left_out/{reason}": float(num) for reason, num in left_out.items()}
    return {"sft/num_kept": float(num_kept)} | counts


def to_units(rows: Sequence[SftRow], *, whole_conversations: bool) -> Sequence[Unit]:
    """What a step counts: rows, or the answers of a conversation together, in their order."""
    if not whole_conversations:
        return Lazily(rows, lambda row: (row,))
    units: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        conversation, _, number = row.sample_id.rpartition("#")
        units.setdefault(conversation if number.isdecimal() else f"#{row.sample_id}", []).append(place)
    return Lazily(list(units.values()), lambda places: tuple(rows[place] for place in places))


def fits(num_tokens: int, max_response_tokens: int) -> bool:
    """Whether a response of so many tokens, its end included, is learned."""
    return num_tokens <= max_response_tokens


@dataclass(frozen=True)
class SftInputs:
    """What a run learns from.

    Args:
        units: what a step has `rows_per_step` of.
        held_out: of the same kind, to validate on.
        samples: the questions.
        entries: lineage.
        rejected: bad rows of the data set.
        counts: metrics: how many of the teachers' responses are learned, and why others aren't.
        own: the artifact of the student's own responses and its kind, where the recipe names one.
        samples_own: whether the student's own are sampled instead.
    """

    units: Sequence[Unit]
    held_out: Sequence[Unit]
    samples: Sequence[Sample] = ()
    entries: Sequence[InputEntry] = ()
    rejected: Sequence[RejectedRecord] = ()
    counts: Mapping[str, float] = field(default_factory=dict)
    own: tuple[Path, ArtifactKind] | None = None
    samples_own: bool = False
