"""What a judge takes and gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rilctl.config.fields import SamplingConfig
from rilctl.data.sample import ImageRef, Sample
from rilctl.engines.generation.base import GenerationRequest
from rilctl.schemas.records import ContextTurn


@dataclass(frozen=True)
class JudgeRequest:
    """A response to be compared with the ground truth.

    Args:
        images: those of the whole conversation, for judges that look at them.
        context: what was said before the question.
    """

    question: str
    answer: str
    response: str
    images: tuple[ImageRef, ...] = ()
    context: tuple[ContextTurn, ...] = ()

    @classmethod
    def of(cls, sample: Sample, response: str) -> "JudgeRequest":
        """A response to a question of the data set."""
        return cls(sample.question, sample.answer, response, sample.images, sample.conversation.context)


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

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order."""

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """Everything that `judge` may put to a model for them, later attempts included."""

    def counts(self) -> dict[str, float]:
        """What the judge counted so far, by name: sums, which processes that share its work can add up."""

    def close(self) -> None:
        """Free what the judge holds; where another thread is asking, that ends as soon as it can, and raises."""


def judge_metrics(counts: Mapping[str, float]) -> dict[str, float]:
    """Metrics of a judge, or of several that share the work.

    Args:
        counts: see `JudgeEngine.counts`.
    """
    found = {name: counts[name] for name in ("input_tokens", "output_tokens", "cost") if name in counts}
    if counts.get("num_by_rules"):
        found["rules_first_share"] = counts["num_exact"] / counts["num_by_rules"]
    return found
