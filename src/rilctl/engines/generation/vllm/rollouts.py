"""vLLM rolls out a policy that is trained elsewhere: weights are sent, and what arrived is proven."""

from collections.abc import Callable, Sequence

from rilctl.clock import timed
from rilctl.config.fields import Dtype, SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.vllm.backend import LOADING, Backend, Generated
from rilctl.engines.generation.vllm.engine import VllmGeneration
from rilctl.engines.generation.vllm.proof import Proof
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.state import ServerState, check_boot, digest_of
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.vlm import DTYPES, Vlm
from rilctl.models.loaded.weights import Weights, checksum, policy_weights


class WeightsLostError(EngineError):
    """A copy of the weights that several processes sample from is gone, or isn't the one that was proven."""


class VllmRollouts(VllmGeneration[Backend]):
    """A `RolloutEngine`: a copy of the policy in vLLM, replaced whole at every update, adapters merged.

    Args:
        policy: the model whose weights change.
        start: gives the backend and what reads for it.
        num_places: responses under way at once.
        dtype: of vLLM's weights.
        max_logprob_error: see `Proof`.
        is_shared: whether other processes of the run sample from the same copy. None of them can send the weights by
            itself, since all must be there for that; so a `generate` that loses them ends.
    """

    def __init__(
        self,
        policy: Vlm,
        start: Callable[[], tuple[Backend, Reader]],
        *,
        num_places: int,
        dtype: Dtype,
        max_logprob_error: float | None = None,
        is_shared: bool = False,
    ) -> None:
        super().__init__(start, model_name=policy.source.name, model_digest=policy.digest, num_places=num_places)
        self._policy, self._dtype, self._max_logprob_error = policy, dtype, max_logprob_error
        self._proof: Proof | None = None
        self._step = 0
        self._state: ServerState | None = None
        self._keeps = is_shared

    @property
    def state(self) -> ServerState | None:
        """Which vLLM this is, and what it was last proven to sample from; None before the first update."""
        return self._state

    def follow(self, state: ServerState) -> None:
        """Sample from what another process of the run sent and proved."""
        if self._state is not None and state.version != self._state.version:
            self._kept.clear()
        self._state = state

    def update(self, version: int) -> dict[str, float]:
        """See `RolloutEngine`."""
        if version != self._step:
            self._kept.clear()
        self._step = version
        with timed("sync"):
            return self._insist(self._send)

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`.

        Raises:
            WeightsLostError: a shared copy has to be sent again; what came is kept for a second call.
        """
        if self._state is None:
            raise RuntimeError("`update` or `follow` comes first")
        results = super().generate(requests, sampling)
        self._kept.clear()
        self.started()[0].rest()
        return results

    def _send(self) -> dict[str, float] | None:
        """Send the policy's present weights; what was measured, or None where vLLM went away before it was proven."""
        backend, reader = self.started()
        boot = backend.boot()
        if self._proof is None or self._state is None or boot.identity != self._state.identity:
            check_boot(boot, self._dtype)
            self._proof = Proof(backend, self._policy, reader, self._dtype, self._max_logprob_error)
        sent: dict[str, str] = {}

        def weights() -> Weights:
            for name, tensor in policy_weights(self._policy, DTYPES[self._dtype]):
                sent[name] = checksum(tensor)
                yield name, tensor

        backend.workers("rilctl_watch")
        backend.name(LOADING)
        backend.load(weights, boot)
        self._state = ServerState(boot.identity, f"step-{self._step}-{digest_of(sent)}")
        backend.name(self._state.version)
        return self._proof.check(self._state.version, sent)

    def _is_current(self, answer: Generated) -> bool:
        return self._state is not None and answer.versions == {self._state.version}

    def _lost(self) -> None:
        if self._keeps:
            raise WeightsLostError("vLLM went away, or has lost the weights that it was sent")

    def _revive(self) -> None:
        """A server that was restarted has the weights that it began with."""
        self._insist(self._send)
