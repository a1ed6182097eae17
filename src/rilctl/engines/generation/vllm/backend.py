"""What differs between vLLM in this process and vLLM behind a server."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rilctl.config.fields import SamplingConfig
from rilctl.data.pictures import Picture
from rilctl.engines.generation.vllm.state import Boot
from rilctl.errors import RowError
from rilctl.models.loaded.weights import Weights

HARD_BAN = -1e30
"""Added to a logit. vLLM's API cuts biases to -100, which a confident model overcomes; its engine doesn't."""
LOADING = "loading"
"""Name of weights while they are replaced: what is sampled meanwhile is nobody's."""
WITNESS = "rilctl.engines.generation.vllm.witness.Witness"
"""The worker extension that reads weights and pixels back."""

SERVER_OPTIONS = (
    *("--generation-config", "vllm"),
    *("--logprobs-mode", "processed_logprobs"),
    "--enable-scale-out",
    "--no-mm-device-do-normalize",
    *("--worker-extension-cls", WITNESS),
)
"""What `vllm serve` must be started with, beside VLLM_SERVER_DEV_MODE=1 in its environment."""


AskKey = tuple[tuple[int, ...], tuple[str, ...], int]


@dataclass(frozen=True)
class Ask:
    """One response to sample.

    Args:
        token_ids: of the prompt, one placeholder for each picture: vLLM expands it.
        pictures: in order; their names are those in vLLM's caches.
        seed: of this response alone.
        num_alike: responses with the same pictures that are asked for with it.
    """

    token_ids: tuple[int, ...]
    pictures: tuple[Picture, ...]
    seed: int
    num_alike: int = 1

    @property
    def shares_pictures(self) -> bool:
        """Whether others name the same pictures, so that they had better travel once."""
        return bool(self.pictures) and self.num_alike > 1

    @property
    def key(self) -> AskKey:
        """Tells it from other asks with the same sampling parameters."""
        return self.token_ids, tuple(picture.name for picture in self.pictures), self.seed


@dataclass(frozen=True)
class Generated:
    """One sampled response, as vLLM gives it.

    Args:
        prompt_token_ids: as vLLM read it, placeholders expanded.
        token_ids: sampled, the stop token included.
        logprobs: of each, after bans, temperature, top-p and top-k (`processed_logprobs`).
        stopped: whether it ended by itself.
        versions: names of the weights that sampled it.
    """

    prompt_token_ids: list[int]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stopped: bool
    versions: frozenset[str]


Answer = Generated | RowError | None
"""What comes of an ask: the answer, why vLLM won't give one, or None where it went away before it had one."""


class Backend(Protocol):
    """A running vLLM."""

    @property
    def max_length_tokens(self) -> int:
        """Of prompt and response together."""

    def wait(self) -> None:
        """Return when it answers. Raises `EngineError` where it doesn't in time."""

    def stream(
        self, asks: Iterable[Ask | None], params: Mapping[str, Any], num_places: int
    ) -> Iterator[Mapping[int, Answer]]:
        """Ask, and give answers by number as they come, which may be none; nothing new before the caller wants more.

        Args:
            asks: taken when there is room for one; None: at present there is none.
            params: of all of them, but for the seed.
            num_places: under way at once; a server takes no more than `rows_per_batch`.
        """

    def boot(self) -> Boot:
        """Which vLLM this is now. Raises `ConnectionError`."""

    def load(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """Replace the weights of the vLLM that `boot` names, and forget what was computed with the old ones.

        Raises:
            ConnectionError: it went away.
            EngineError: it can't take weights.
        """

    def name(self, version: str) -> None:
        """Give the present weights a name, which every answer bears. Raises `ConnectionError`."""

    def version(self) -> str:
        """Name of the present weights. Raises `ConnectionError`."""

    def workers(self, method: str) -> list[dict[str, Any]]:
        """What a method of the witness says, one reply for each worker. Raises `ConnectionError`."""

    def rest(self) -> None:
        """Give memory back until the next `load`, where that is possible."""

    def close(self) -> None:
        """Free what it holds."""


def answers_of(backend: Backend, asks: Sequence[Ask], params: Mapping[str, Any]) -> list[Answer]:
    """One answer for each ask."""
    found: dict[int, Answer] = {}
    for came in backend.stream(asks, params, len(asks)):
        found |= came
    return [found[number] for number in range(len(asks))]


def sampling_params(
    sampling: SamplingConfig, stop_ids: Sequence[int], banned_ids: Sequence[int]
) -> dict[str, int | float | bool | list[int] | dict[int, float]]:
    """VLLM's sampling parameters, all but the seed, so that none comes from the model's generation config.

    `ignore_eos` with stop ids of ours makes those the only ones. `logprobs = 0` is the sampled token's alone.
    """
    return {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": sampling.repetition_penalty,
        "logit_bias": dict.fromkeys(banned_ids, HARD_BAN),
        "stop_token_ids": list(stop_ids),
        "ignore_eos": True,
        "logprobs": 0,
        "detokenize": False,
    }
