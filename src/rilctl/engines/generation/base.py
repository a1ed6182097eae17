"""What a generation engine takes and gives, whatever runs inside."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


TURNS = 32
"""Of a `OneByOneEngine`: calls have so many rows for each place, as the slowest row of a call leaves places empty."""
Ahead = Iterable[GenerationRequest | None]
"""Requests in the order in which they are asked; None: at present there is none, and more may come."""
Came = Mapping[tuple[int, int], Response | RowError]
"""Answers that came together, by index of the request, None not counted, and index of its seed."""


@runtime_checkable
class OneByOneEngine(GenerationEngine, Protocol):
    """An engine whose answers come one by one, in an order of their own: whoever is answered makes room for the next.

    `rows_at_once` is `TURNS` times as many as it answers side by side.
    """

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """Answer every request, and give answers as they come: what has come meanwhile, together; it may be nothing.

        Nothing new is asked before the caller asks for more: by then it has kept what came.

        Args:
            requests: taken when there is room for one, a few of them sooner. Each of their seeds has an answer once,
                or an error.
            sampling: how they are sampled.
            check_stop: called between answers. If it raises, or `requests` does, what is under way is waited for and
                given, then the exception goes on.
        """


def collected(came: Iterable[Came], requests: Sequence[GenerationRequest]) -> list[tuple[Response, ...] | RowError]:
    """What a `OneByOneEngine` answers to some requests, in their order, as `generate` gives it."""
    found: dict[tuple[int, int], Response] = {}
    errors: dict[int, RowError] = {}
    for some in came:
        for (index, seed), answer in some.items():
            if isinstance(answer, RowError):
                errors.setdefault(index, answer)
            else:
                found[index, seed] = answer
    return [
        errors.get(index) or tuple(found[index, seed] for seed in range(len(request.seeds)))
        for index, request in enumerate(requests)
    ]


class RolloutEngine(GenerationEngine, Protocol):
    """Samples from a policy whose weights change."""

    def update(self, version: int) -> dict[str, float]:
        """Sample from the policy's present weights from now on, and prove it. Raises `RilctlError` where it can't.

        Args:
            version: training steps that made these weights.

        Returns:
            What was measured on the way, as metrics; empty where the weights are the policy's own.
        """
