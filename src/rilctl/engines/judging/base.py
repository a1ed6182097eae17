"""What a judge takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class JudgeRequest:
    """A response to be compared with the ground truth."""

    question: str
    answer: str
    response: str


@dataclass(frozen=True)
class Verdict:
    """A judge's word.

    Args:
        correct: None where the judge gave no verdict.
        prediction: what the judge read as the final answer, where it reads one.
        reason: how the verdict came about, or why there is none.
    """

    correct: bool | None
    prediction: str | None
    reason: str


class JudgeEngine(Protocol):
    """Compares responses with the ground truth; a failure is *no verdict*, never a wrong one."""

    @property
    def name(self) -> str:
        """Identity of the judge and its settings, for lineage and the call cache's key."""

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order."""
