"""Which rows are worth training on. Pure: what is decided depends on ids, texts and hashes alone.

Every row that is left out has a reason, a short stable code that reports count.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from rilctl.config.data import PassRateConfig, SelectConfig
from rilctl.data.fingerprints import normal_text
from rilctl.data.near import NearRows
from rilctl.data.sample import Sample

Reason = Literal[
    "question-too-long",
    "prompt-too-long",
    "response-too-long",
    "pass-rate",
    "pass-rate-unknown",
    "in-validation",
    "near-duplicate",
    "contaminated",
    "likelihood-unknown",
    "num-samples",
    "earlier-answer",
]

Order = Literal["lowest", "highest"]


def rank(sample_id: str, salt: str) -> int:
    """A number that looks random and depends on nothing but the id and the salt, from 0 to 2**64 - 1."""
    return int.from_bytes(hashlib.sha256(f"{salt}\n{sample_id}".encode()).digest()[:8])


def is_held_out(group: str, share: float) -> bool:
    """Whether a group of rows belongs to the held-out share; see `groups`."""
    return rank(group, "validation") < share * 2**64


def keeps_truth(sample_id: str, share: float) -> bool:
    """Whether a question is of the share that keeps its ground truth; a smaller share is a part of a larger one."""
    return rank(sample_id, "truth") < share * 2**64


def earlier_answers(row_ids: Iterable[str]) -> set[str]:
    """Of rows made of conversations, whose ids end in `#` and the answer's number, all but each one's last."""
    last: dict[str, int] = {}
    for conversation, number in filter(None, map(_place, row_ids)):
        last[conversation] = max(number, last.get(conversation, 0))
    return {f"{conversation}#{number}" for conversation, most in last.items() for number in range(1, most)}


def _place(row_id: str) -> tuple[str, int] | None:
    conversation, _, number = row_id.rpartition("#")
    return (conversation, int(number)) if conversation and number.isdecimal() else None


def by_rank(ids: Iterable[str], salt: str) -> list[int]:
    """Places of rows in the order in which `num_samples` takes them: the first n are a part of the first n + 1."""
    keys = [(rank(row_id, salt), row_id) for row_id in ids]
    return sorted(range(len(keys)), key=keys.__getitem__)


def by_likelihood(samples: Iterable[Sample], logprobs: Mapping[str, float], order: Order, salt: str) -> list[Sample]:
    """The same by the mean log-probability of their answers, by sample id; equal ones by rank."""
    sign = 1 if order == "lowest" else -1
    return sorted(samples, key=lambda sample: (sign * logprobs[sample.id], rank(sample.id, salt), sample.id))


def too_long(sample: Sample, select: SelectConfig) -> Reason | None:
    """The overlong filter."""
    if select.max_question_chars is not None and len(sample.question) > select.max_question_chars:
        return "question-too-long"
    if select.max_response_chars is not None and len(sample.response) > select.max_response_chars:
        return "response-too-long"
    return None


def outside_band(sample_id: str, band: PassRateConfig, pass_rates: Mapping[str, float]) -> Reason | None:
    """The difficulty filter; a question that was never judged is left out."""
    pass_rate = pass_rates.get(sample_id)
    if pass_rate is None:
        return "pass-rate-unknown"
    return None if band.low <= pass_rate <= band.high else "pass-rate"


class Seen:
    """Rows met so far, by normalised question; a near-duplicate asks the same about near pictures, in the same order.

    Args:
        max_distance: bits in which two image hashes may differ.
    """

    def __init__(self, max_distance: int) -> None:
        self._texts: set[str] = set()
        self._rows: dict[tuple[str, int], NearRows] = defaultdict(lambda: NearRows(max_distance))

    def add(self, question: str, hashes: tuple[int, ...]) -> bool:
        """Remember a row and return True, or return False where it nearly equals one that is remembered."""
        if self.holds(question, hashes):
            return False
        text = normal_text(question)
        if hashes:
            self._rows[text, len(hashes)].add(hashes)
        else:
            self._texts.add(text)
        return True

    def holds(self, question: str, hashes: tuple[int, ...]) -> bool:
        """Whether a row nearly equals one that is remembered."""
        text = normal_text(question)
        if not hashes:
            return text in self._texts
        rows = self._rows.get((text, len(hashes)))
        return rows is not None and rows.holds(hashes)


class Benchmarks:
    """What must not be trained on.

    Args:
        questions: the benchmarks' questions.
        hashes: perceptual hashes of the benchmarks' images.
        max_distance: bits in which two image hashes may differ.
    """

    def __init__(self, questions: Iterable[str], hashes: Sequence[int], max_distance: int) -> None:
        self._questions = {normal_text(question) for question in questions}
        self._hashes = np.unique(np.array(hashes, dtype=np.uint64))
        self._max_distance = max_distance

    def contain(self, question: str, hashes: tuple[int, ...]) -> bool:
        """Whether a row is contaminated.

        A row with images is where one of them is near a benchmark's, whatever is asked about it. Its text doesn't
        count: "is there a dog in the picture?" is asked about many pictures. A row without images is where it asks a
        benchmark's question.
        """
        if not hashes:
            return normal_text(question) in self._questions
        distances = (np.bitwise_count(self._hashes ^ np.uint64(one)) for one in hashes)
        return any(bool((distance <= self._max_distance).any()) for distance in distances)
