"""What a judge takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rilctl.data.sample import ImageRef


@dataclass(frozen=True)
class JudgeRequest:
    """A response to be compared with the ground truth; `images` are the question's, for judges that look at them."""

    question: str
    answer: str
    response: str
    images: tuple[ImageRef, ...] = ()


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

    @property
    def rows_at_once(self) -> int:
        """Responses worth handing over in one call."""

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order."""

    def metrics(self) -> dict[str, float]:
        """What the judge knows about itself so far, by name; nothing for one that needs no watching."""

    def close(self) -> None:
        """Free what the judge holds; where another thread is asking, that ends as soon as it can, and raises."""
