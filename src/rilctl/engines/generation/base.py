"""What a generation engine takes and gives, whatever runs inside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.schemas.records import FinishReason


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt, answered `len(seeds)` times.

    Args:
        sample_id: for error messages.
        conversation: what is asked, without chat template.
        seeds: one for each response; a response depends on its own seed, not on its neighbours in the batch.
    """

    sample_id: str
    conversation: Conversation
    seeds: tuple[int, ...]

    @property
    def question(self) -> str:
        """See `Conversation`."""
        return self.conversation.question

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """See `Conversation`."""
        return self.conversation.images


@dataclass(frozen=True)
class Usage:
    """What an endpoint counted for one answer or for several, in its own model's tokens."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True)
class Response:
    """One sampled answer.

    Args:
        text: decoded, special tokens removed.
        token_ids: as sampled, the stop token included where there is one; None where an endpoint gives only text.
        finish_reason: `stop` or `length`.
        sampling_logprobs: of each token under temperature and bans, before top-p and top-k; None without token ids.
        truncated_mass: probability that top-p and top-k cut away, mean over tokens; None where an engine can't tell.
        usage: tokens that an endpoint counted; None where nobody counts for us.
    """

    text: str
    token_ids: tuple[int, ...] | None
    finish_reason: FinishReason
    sampling_logprobs: tuple[float, ...] | None
    truncated_mass: float | None = 0.0
    usage: Usage | None = None

    @property
    def num_tokens(self) -> int | None:
        """Length in tokens of the model that answered, or None where nobody counted."""
        if self.token_ids is not None:
            return len(self.token_ids)
        return self.usage.output_tokens if self.usage else None

    @property
    def recorded_token_ids(self) -> list[int] | None:
        """Token ids as a record holds them."""
        return None if self.token_ids is None else list(self.token_ids)


class GenerationEngine(Protocol):
    """Answers prompts; token ids that must not be sampled can't be."""

    @property
    def model_name(self) -> str:
        """Hub id or directory, for lineage and messages."""

    @property
    def model_digest(self) -> str:
        """Identity of the weights: part of the call cache's key."""

    @property
    def rows_at_once(self) -> int:
        """Responses worth asking for in one call; more of them bring nothing but a longer wait."""

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """Answer every request, in order; a bad request gives its `RowError`, never an exception for the batch."""

    def close(self) -> None:
        """Free what the engine holds."""


def questions_at_once(rows_at_once: int, num_responses: int) -> int:
    """Questions that are asked together, one at least: all responses of a question are."""
    return max(1, rows_at_once // num_responses)


Keep = Callable[[Mapping[tuple[int, int], Response]], object]
"""Takes answers that came together, by index of the request and index of its seed; what it returned from is kept."""


@runtime_checkable
class OneByOneEngine(GenerationEngine, Protocol):
    """An engine whose answers come one by one, in an order of their own, and each is paid for."""

    def generate_each(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        *,
        keep: Keep,
        check_stop: Callable[[], object],
    ) -> list[RowError | None]:
        """Answer every request, and hand over answers as they come: what has come meanwhile, together.

        Args:
            requests: as for `generate`.
            sampling: how they are sampled.
            keep: called in the caller's thread, with one answer at least.
            check_stop: called between answers. If it raises, what is under way is waited for and kept, then the
                exception goes on.

        Returns:
            For each request None, or why one of its seeds has no answer.
        """


class RolloutEngine(GenerationEngine, Protocol):
    """Samples from a policy whose weights change."""

    def update(self, version: int) -> dict[str, float]:
        """Sample from the policy's present weights from now on, and prove it. Raises `RilctlError` where it can't.

        Args:
            version: training steps that made these weights.

        Returns:
            What was measured on the way, as metrics; empty where the weights are the policy's own.
        """
