"""Cached responses to the questions of a run: where each stands is in memory, its text is read when it is needed.

Shapes: N rows of the artifact.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rilctl.artifacts.read import open_rows
from rilctl.artifacts.row_files import RowFiles, refuse_value
from rilctl.data.sample import Sample
from rilctl.schemas.records import ContextTurn, FinishReason, ResponseRecord, RolloutRecord, Side
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import check_same, refuse_rejected, refuse_unanswered

_REASONS: tuple[FinishReason, ...] = get_args(FinishReason)
_NO_BYTES = 2
"""Tokens of an empty text, at most: its end, and a space before it."""
_MOST_GROWTH = 10
"""Bytes that normalising adds to one that isn't ASCII, at most (NFKC in UTF-8: eleven for one)."""


class CachedResponse(NamedTuple):
    """A response but for its text."""

    number: int
    """Of its row in the artifact, from 0."""
    source: str
    """Who answered."""
    finish_reason: FinishReason
    """Why it ended."""
    response_index: int
    """0 to N-1 among this source's answers to this question."""


class CachedText(NamedTuple):
    """A text that stays in its file until it is read."""

    responses: "CachedResponses"
    number: int

    def __bool__(self) -> bool:
        """Whether it isn't empty."""
        return bool(self.responses.most_tokens_N[self.number] > _NO_BYTES)


Text = str | CachedText
"""What was said, wherever it is."""


def text_of(text: Text) -> str:
    """The text itself. Raises `ArtifactError` where it can't be read."""
    return text if isinstance(text, str) else text.responses.texts([text.number])[0]


class _Asked(NamedTuple):
    """A question as it was answered."""

    question: str
    context: tuple[ContextTurn, ...]
    image_digests: list[str]


class CachedResponses:
    """Responses by sample id, in the artifact's order; a few bytes of memory for each.

    Args:
        files: the artifact's rows.
        ids: of the questions, in the order of their numbers.
        question_N: number of each row's question; -1: it is none of these.
        source_N: who answered, as a place in `sources`.
        sources: their names.
        finish_N: why it ended, as a place among the reasons.
        index_N: 0 to N-1 among its source's answers to its question.
        most_tokens_N: more no tokenizer can make of its text, its end and a space before it included.
    """

    def __init__(
        self,
        files: RowFiles,
        ids: Sequence[str],
        question_N: NDArray[np.int32],
        source_N: NDArray[np.int32],
        sources: Sequence[str],
        finish_N: NDArray[np.int8],
        index_N: NDArray[np.int32],
        most_tokens_N: NDArray[np.int32],
    ) -> None:
        self._files, self._source_N, self._sources, self._finish_N = files, source_N, sources, finish_N
        self._index_N = index_N
        self.most_tokens_N = most_tokens_N
        self.stopped_N: NDArray[np.bool_] = finish_N != _REASONS.index("length")
        order = np.argsort(question_N, kind="stable").astype(np.int32)
        starts = np.searchsorted(question_N[order], np.arange(len(ids) + 1))
        self._order, self._starts = order, starts
        self._places = {name: at for at, name in enumerate(ids) if starts[at] < starts[at + 1]}

    def __contains__(self, sample_id: str) -> bool:
        return sample_id in self._places

    def numbers(self, sample_id: str) -> NDArray[np.int32]:
        """The rows of a question, ascending; none where it has no response."""
        at = self._places.get(sample_id)
        return self._order[:0] if at is None else self._order[self._starts[at] : self._starts[at + 1]]

    def of(self, sample_id: str) -> list[CachedResponse]:
        """The responses to a question, but for their texts."""
        return [
            CachedResponse(
                number,
                self._sources[self._source_N[number]],
                _REASONS[self._finish_N[number]],
                int(self._index_N[number]),
            )
            for number in self.numbers(sample_id).tolist()
        ]

    def texts(self, numbers: Sequence[int]) -> list[str]:
        """The texts of some rows. Raises `ArtifactError` where they can't be read."""
        return self._files.take("text", numbers)

    def sides(self, numbers: Sequence[int]) -> list[Side]:
        """Whose some rows are. Raises `ArtifactError` where they can't be read."""
        return self._files.take("side", numbers)


def open_responses(context: StageContext, path: Path, samples: Iterable[Sample]) -> CachedResponses:
    """Cached responses of the given questions; all files are verified, and no text is kept.

    Args:
        context: the stage's surroundings.
        path: a `teacher-cache` or `responses` artifact.
        samples: the questions.

    Raises:
        ArtifactError: it is unusable, or has a response to none of the questions; a question or its pictures are not
            those that were answered; more questions were rejected than `cache-teacher.max_rejected_share` allows.
    """
    found, answered = _found(path, samples, ResponseRecord)
    refuse_rejected(context, path, answered)
    refuse_unanswered(path, [name for name in answered if name in found])
    return found


def own_responses(
    path: Path, samples: Iterable[Sample], row_type: type[ResponseRecord | RolloutRecord] = ResponseRecord
) -> CachedResponses:
    """As `open_responses`, of what the student said, in `rollouts` as well: there may be none. Raises as that does."""
    return _found(path, samples, row_type)[0]


def _found(
    path: Path, samples: Iterable[Sample], row_type: type[ResponseRecord | RolloutRecord]
) -> tuple[CachedResponses, set[str]]:
    """The responses, and the ids of all questions that the artifact has any to."""
    by_id = {sample.id: sample for sample in samples}
    places = {name: at for at, name in enumerate(by_id)}
    files = open_rows(path, row_type)
    sources, answered, seen = Counter[str](), set[str](), set[str]()
    types = (np.int32, np.int32, np.int8, np.int32, np.int32)
    parts: list[tuple[NDArray[Any], ...]] = [tuple(np.zeros(0, each) for each in types)]
    columns = ("sample_id", "source", "finish_reason", "response_index", "text", "question", "context", "image_digests")
    for table in files.scan(columns):
        ids, id_N = _coded(table.column("sample_id"))
        answered.update(ids)
        for name in ids:
            if name in by_id and name not in seen:
                seen.add(name)
                check_same(path, by_id[name], _asked(table, ids.index(name), id_N))
        names, name_N = _coded(table.column("source"))
        for name in names:
            sources.setdefault(name, len(sources))
        reasons, reason_N = _coded(table.column("finish_reason"))
        for reason in reasons:
            if reason not in _REASONS:
                raise refuse_value(path, "finish_reason", reason, _REASONS)
        parts.append(
            (
                np.array([places.get(name, -1) for name in ids], np.int32)[id_N],
                np.array([sources[name] for name in names], np.int32)[name_N],
                np.array([_REASONS.index(reason) for reason in reasons], np.int8)[reason_N],
                _int32(table.column("response_index")),
                _most_tokens(table.column("text")),
            )
        )
    question_N, source_N, *others = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = CachedResponses(files, list(by_id), question_N, source_N, list(sources), *others)
    return found, answered


def _coded(column: "pa.ChunkedArray") -> tuple[list[str], NDArray[np.int32]]:
    """The different values of a column, and of each row the place of its value among them."""
    coded = column.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()


def _asked(table: "pa.Table", place: int, id_N: NDArray[np.int32]) -> _Asked:
    """The question of the first row of a table that has the id at that place."""
    row = table.slice(int(np.argmax(id_N == place)), 1).select(["question", "context", "image_digests"]).to_pylist()[0]
    context = tuple(ContextTurn.model_validate(turn) for turn in row["context"] or ())
    return _Asked(row["question"], context, row["image_digests"])


def _most_tokens(texts: "pa.ChunkedArray") -> NDArray[np.int32]:
    """Each token stands for a byte at least, of the text as the tokenizer normalises it; ASCII stays as it is."""
    num_bytes: NDArray[np.int32] = _int32(pc.binary_length(texts))
    other_bytes = 2 * (num_bytes - _int32(pc.utf8_length(texts)))
    return num_bytes + _MOST_GROWTH * other_bytes + _NO_BYTES


def _int32(column: "pa.ChunkedArray") -> NDArray[np.int32]:
    found: NDArray[np.int32] = column.to_numpy().astype(np.int32)
    return found
