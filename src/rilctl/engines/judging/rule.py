"""The rule judge: a response is right if its final answer equals the ground truth.

Three rooms: `rules.read` finds the one final answer, knowing what kind it has and not what it is; `rules.kinds` types
it; `rules.compare` compares. Nothing is guessed: a response without a readable final answer, or with several, is wrong;
a row without a ground truth gets no verdict.
"""

from collections.abc import Sequence
from functools import lru_cache

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rules.kinds.truth import read_ground_truth
from rilctl.engines.judging.rules.read.final import MAX_CHARS, read_final
from rilctl.engines.judging.rules.read.plain import normal, plain, tidy
from rilctl.schemas.answers import accepted_answers
from rilctl.schemas.records import NO_TRUTH

_VERSION = 12
"""Raised when the same response could get another verdict."""

_MAX_PREDICTION_CHARS = 200


class RuleJudge:
    """A `JudgeEngine` that costs nothing and never fails.

    Args:
        config: the `[judge]` table.
    """

    def __init__(self, config: RuleJudgeConfig) -> None:
        self._tolerance = config.numeric_tolerance
        self.rows_at_once = 256

    @property
    def name(self) -> str:
        """Identity of the rules and their settings."""
        return f"rule-{_VERSION}(numeric_tolerance={self._tolerance:g})"

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order."""
        return [judge_answer(r.answer, r.response, question=r.question, tolerance=self._tolerance) for r in requests]

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        return []

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`."""
        return {}

    def close(self) -> None:
        """See `JudgeEngine`."""


def judge_answer(answer: str, response: str, *, question: str = "", tolerance: float = 0.0) -> Verdict:
    """Compare a response's final answer with the ground truth; with each accepted answer where there are several.

    Args:
        answer: the ground truth; empty means no verdict.
        response: any text.
        question: lets `B` stand for its option's text, and keeps a repeated question from passing for an answer.
        tolerance: relative difference within which two numbers are equal; 0 compares exactly.
    """
    accepted = accepted_answers(answer)
    verdicts = (_compare(each, response, question, tolerance) for each in accepted)
    first = next(verdicts)
    return first if first.correct else next((verdict for verdict in verdicts if verdict.correct), first)


def is_equal_to_the_letter(answer: str, response: str) -> bool:
    """Whether a response is an accepted answer, character by character but for white space around it."""
    return any(text.strip() == response.strip() for text in accepted_answers(answer) if text.strip())


def _compare(answer: str, response: str, question: str, tolerance: float) -> Verdict:
    question = _tidied(question)
    truth = read_ground_truth(answer, question, tolerance)
    if truth is None:
        return Verdict(None, None, NO_TRUTH)
    if answer.strip() == response.strip():
        return Verdict(True, _printable(response), "exact")
    read = read_final(response, question, truth.kind)
    prediction = None if read.text is None else _printable(read.text)
    if read.value is None:
        return Verdict(False, prediction, f"{truth.kind.name}: {read.reason}")
    is_right = truth.kind.fits(truth.value, read.value)
    is_exact = is_right and read.text is not None and normal(plain(read.text)) == normal(truth.text)
    return Verdict(is_right, prediction, "exact" if is_exact else truth.kind.name)


@lru_cache(maxsize=256)
def _tidied(question: str) -> str:
    return tidy(question[-MAX_CHARS:])


def _printable(text: str) -> str:
    """Short, and encodable whatever the response held."""
    return text[:_MAX_PREDICTION_CHARS].encode("utf-8", "replace").decode()
