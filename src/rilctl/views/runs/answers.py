"""A run's answers to questions, right or wrong, and which of them flip between two sets of answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rilctl.schemas.records import EvaluationRecord, RolloutRecord
from rilctl.schemas.report_result import Flip, FlippedAnswer
from rilctl.views.runs.view import RunView

RIGHT = 0.5
"""A score of so much counts as right; of rollouts, more than so many."""

Key = tuple[str, ...]
"""A question: its benchmark first, then what else tells it from the others."""


@dataclass(frozen=True)
class Answer:
    """What was answered to a question, and whether that is right; `verdict` says how it was found."""

    sample_id: str
    question: str
    truth: str
    text: str
    verdict: str
    is_right: bool
    image_digests: tuple[str, ...] = ()
    step: int | None = None


def evaluated(run: RunView) -> Iterator[tuple[Key, Answer]]:
    """The answers of an evaluation, but for those beside another picture. Raises `ArtifactError` as `rows` does."""
    for row in run.rows("evaluation", EvaluationRecord):
        if row.picture is None:
            said = f"score {row.score:g}"
            answer = Answer(row.sample_id, row.question, row.answer, row.text, said, row.score >= RIGHT)
            yield (row.benchmark, row.sample_id), answer


def majority(group: Sequence[RolloutRecord]) -> Answer | None:
    """What a student made of a question in a step: one of the majority's answers, right where most rollouts are.

    Args:
        group: rows of one question in one step; those of teachers and those without a verdict count nowhere.

    Returns:
        None where nothing counts.
    """
    own = [
        (row, row.answer_reward >= RIGHT) for row in group if row.side == "student" and row.answer_reward is not None
    ]
    if not own:
        return None
    num_right = sum(is_right for _, is_right in own)
    is_right = num_right > RIGHT * len(own)
    row = next(row for row, was_right in own if was_right == is_right)
    said = f"step {row.step}: {num_right} of {len(own)} judged right"
    return Answer(
        row.sample_id, row.question, row.answer, row.text, said, is_right, tuple(row.image_digests), step=row.step
    )


def flips(before: Mapping[Key, Answer], after: Mapping[Key, Answer]) -> list[Flip]:
    """Of the questions that both answered, those that one side alone has right; in the order of `before`."""
    return [
        _flip(key[0], answer, after[key])
        for key, answer in before.items()
        if key in after and answer.is_right != after[key].is_right
    ]


def _flip(benchmark: str, before: Answer, after: Answer) -> Flip:
    return Flip(
        benchmark=benchmark,
        sample_id=after.sample_id,
        question=after.question,
        truth=after.truth,
        image_digests=[*after.image_digests],
        before=_said(before),
        after=_said(after),
        way="gained" if after.is_right else "lost",
    )


def _said(answer: Answer) -> FlippedAnswer:
    return FlippedAnswer(text=answer.text, is_right=answer.is_right, verdict=answer.verdict, step=answer.step)
