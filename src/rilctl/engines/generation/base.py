"""What a generation engine takes and gives, whatever runs inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rilctl.config.fields import SamplingConfig
from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.schemas.records import FinishReason


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt, answered `len(seeds)` times.

    Args:
        sample_id: for error messages.
        question: text of the user's turn, without chat template.
        images: shown before the question.
        seeds: one for each response; a response depends on its own seed, not on its neighbours in the batch.
    """

    sample_id: str
    question: str
    images: tuple[ImageRef, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Response:
    """One sampled answer.

    Args:
        text: decoded, special tokens removed.
        token_ids: as sampled, the stop token included where there is one.
        finish_reason: `stop` or `length`.
        sampling_logprobs: of each token under temperature and bans, before top-p and top-k.
        truncated_mass: probability that top-p and top-k cut away, mean over tokens.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    sampling_logprobs: tuple[float, ...]
    truncated_mass: float = 0.0


class GenerationEngine(Protocol):
    """Answers prompts; token ids that must not be sampled can't be."""

    @property
    def model_name(self) -> str:
        """Hub id or directory, for lineage and messages."""

    @property
    def model_digest(self) -> str:
        """Identity of the weights: part of the call cache's key."""

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """Answer every request, in order; a bad request gives its `RowError`, never an exception for the batch."""

    def close(self) -> None:
        """Free what the engine holds."""
