"""Rows of the artifacts, one model for each table. Rows refer to images by digest, never by path."""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator

from rilctl.errors import RowError
from rilctl.foreign import printable
from rilctl.schemas.base import StrictModel

FinishReason = Literal["stop", "length", "imported"]
"""Why a response ended: the model said so, the token budget was spent, or it came from a file."""

Side = Literal["student", "teacher"]
"""Which side of the discriminator's question a response is on."""


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


NO_TRUTH = "no ground truth"
"""The reason of a verdict that nobody can give; such a response isn't counted among those without a verdict."""

Quoted = Annotated[str, BeforeValidator(_printable)]
"""Text that may quote what was refused: half a surrogate pair, which UTF-8 can't hold, is escaped."""


class ContextTurn(StrictModel):
    """What was said before a question."""

    role: Literal["system", "user", "assistant"]
    """Who said it."""
    text: str
    """Its words; `<image>` where a picture stood, the first of the row's `image_digests` first."""


class ResponseRecord(StrictModel):
    """One answer of a teacher or student; the row of `teacher-cache` and `responses`."""

    sample_id: str
    """The question's id in its data set."""
    source: str
    """Who answered: the teacher's name, or `student`."""
    side: Side
    """Whether the source is a student or a teacher."""
    response_index: int
    """0 to N-1 among this source's answers to this question."""
    question: str
    """The question as asked, without chat template."""
    answer: str
    """The ground truth; empty where there is none."""
    image_digests: list[str]
    """Digest of each image (`data.ImageRef.digest`), in order."""
    context: list[ContextTurn] | None = None
    """System and earlier turns; absent where the question is all that was asked."""
    text: str
    """The response, special tokens removed."""
    token_ids: list[int] | None = None
    """The sampled token ids in the source's own vocabulary, EOS included; absent for imported answers."""
    finish_reason: FinishReason
    """Why it ended."""


class RolloutRecord(StrictModel):
    """One row of a training group, with everything that its reward was made of; the row of `rollouts`."""

    step: int
    """The training step that used the row, counted from 1."""
    sample_id: str
    """The question's id in its data set."""
    source: str
    """`student`, or the teacher's name."""
    side: Side
    """Student rollout or cached teacher response."""
    response_index: int
    """0 to group_size-1 within the group."""
    question: str
    """The question as asked."""
    answer: str
    """The ground truth; empty where there is none."""
    image_digests: list[str]
    """Digest of each image (`data.ImageRef.digest`), in order."""
    context: list[ContextTurn] | None = None
    """System and earlier turns; absent where the question is all that was asked."""
    text: str
    """The response, special tokens removed."""
    token_ids: list[int]
    """The token ids that the policy is trained on, in the student's vocabulary."""
    finish_reason: FinishReason
    """Why it ended."""
    in_policy: bool = True
    """Whether the policy learned from the row; a teacher's may have served the discriminator alone."""
    disc_logit: float | None = None
    """The discriminator's logit (student is high); absent where the algorithm has no discriminator."""
    similarity_reward: float | None = None
    """1 if the discriminator takes the row for a teacher's, else 0, or how sure it is where the recipe's reward is
    graded; absent without a discriminator."""
    answer_reward: float | None = None
    """1 if the judge says right, 0 if wrong; absent without a judge or a verdict."""
    rewards: dict[str, float] | None = None
    """What the recipe's own rewards gave, by name, before they are weighted; absent where none gave anything."""
    reward: float | None = None
    """The weighted sum that drives the advantage; absent where there was no verdict."""
    advantage: float = 0.0
    """Group advantage; 0 for a row without a verdict."""

    @property
    def named_rewards(self) -> dict[str, float]:
        """Every reward that the row got, by name, before they are weighted."""
        given = {"similarity": self.similarity_reward, "answer": self.answer_reward, **(self.rewards or {})}
        return {name: value for name, value in given.items() if value is not None}


class VerdictRecord(StrictModel):
    """A judge's word on one response; the row of `verdicts`."""

    response_digest: str
    """`response_digest(question, answer, text, context)`: the join key to any artifact with responses."""
    sample_id: str
    """The question's id in its data set."""
    source: str
    """Who gave the response."""
    response_index: int
    """The response's index in the judged artifact."""
    step: int | None = None
    """The training step, for judged rollouts."""
    correct: bool | None
    """The verdict; null means that the judge gave none."""
    prediction: str | None = None
    """What the judge read as the response's final answer, where it reads one."""
    reason: str
    """How the verdict came about, or why there is none."""

    @property
    def is_missing(self) -> bool:
        """Whether there is no verdict, though there is a ground truth."""
        return self.correct is None and self.reason != NO_TRUTH


class EvaluationRecord(StrictModel):
    """One benchmark question answered and scored; the row of `evaluation`."""

    benchmark: str
    """The benchmark's task name; `BENCHMARK/TASK` where several benchmarks of a suite ask rows of one task."""
    sample_id: str
    """The question's id within the benchmark."""
    question: str
    """The prompt text as asked."""
    answer: str
    """The ground truth."""
    text: str
    """The model's response."""
    score: float
    """This question's score on the benchmark's own scale, 0 to 1."""
    guessed: bool = False
    """The answer could not be read, and the benchmark's own code drew one at random."""
    part: str | None = None
    """What stands in the column that the suite breaks the score down by."""
    picture: Literal["swapped", "none"] | None = None
    """What the question was shown instead of its own picture: another question's, or none; absent: its own."""


class RejectedRecord(StrictModel):
    """One row that could not be used, and why."""

    sample_id: Quoted
    """The row's id, or `row N` where it has none."""
    source: Quoted
    """Who was asked, or the data set's file."""
    reason: str
    """A short stable code such as `image-truncated`."""
    message: Quoted
    """What is wrong, for a person."""

    @classmethod
    def of(cls, sample_id: str, source: str, error: RowError) -> "RejectedRecord":
        """The record of a row that met this error."""
        return cls(sample_id=sample_id, source=source, reason=error.reason, message=error.message)


def response_digest(question: str, answer: str, text: str, context: Sequence[ContextTurn] = ()) -> str:
    """The identity of a judged response: sha256 of the canonical (question, ground truth, response) triple.

    What was said before the question is a fourth part, where anything was.
    """
    said = [[[turn.role, turn.text] for turn in context]] if context else []
    payload = json.dumps([question, answer, text, *said], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(payload.encode()).hexdigest()
