"""vLLM rolls out a policy that is trained elsewhere: weights are sent, and what arrived is proven."""

import hashlib
import json
from collections.abc import Callable, Sequence

from rilctl.config.fields import Dtype, SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.vllm.backend import Answer, Backend
from rilctl.engines.generation.vllm.engine import VllmGeneration
from rilctl.engines.generation.vllm.proof import Proof
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.errors import EngineError, RowError
from rilctl.models.vlm import DTYPES, Vlm
from rilctl.models.weights import Weights, checksum, policy_weights

_MAX_ATTEMPTS = 4
"""To send the weights to a server that goes away meanwhile."""


class VllmRollouts(VllmGeneration):
    """A `RolloutEngine`: a copy of the policy in vLLM, replaced whole at every update, adapters merged.

    Args:
        policy: the model whose weights change.
        start: gives the backend and what reads for it.
        rows_at_once: responses asked for at once.
        dtype: of vLLM's weights.
    """

    def __init__(
        self,
        policy: Vlm,
        start: Callable[[], tuple[Backend, Reader]],
        *,
        rows_at_once: int,
        dtype: Dtype,
    ) -> None:
        super().__init__(start, model_name=policy.source.name, model_digest=policy.digest, rows_at_once=rows_at_once)
        self._policy, self._dtype = policy, dtype
        self._proof: Proof | None = None
        self._step = 0
        self._version: str | None = None
        """Name of the weights that vLLM must sample from."""

    def update(self, version: int) -> dict[str, float]:
        """See `RolloutEngine`."""
        self._step = version
        return self._send()

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        if self._version is None:
            raise RuntimeError("`update` comes first")
        results = super().generate(requests, sampling)
        self.started()[0].rest()
        return results

    def _send(self) -> dict[str, float]:
        """Send the policy's present weights until it is proven that they are sampled from."""
        backend, reader = self.started()
        if self._proof is None:
            self._proof = Proof(backend, self._policy, reader, self._dtype)
        reason = "it did not answer the proof's question"
        for _ in range(_MAX_ATTEMPTS):
            backend.wait()
            try:
                measured = self._send_once(backend, self._proof)
            except ConnectionError as error:
                reason = str(error)
                continue
            if measured is not None:
                return measured
        raise EngineError(
            f"vLLM fails {_MAX_ATTEMPTS} times while it takes the weights: {reason}", hint="its log says more"
        )

    def _send_once(self, backend: Backend, proof: Proof) -> dict[str, float] | None:
        sent: dict[str, str] = {}

        def weights() -> Weights:
            for name, tensor in policy_weights(self._policy, DTYPES[self._dtype]):
                sent[name] = checksum(tensor)
                yield name, tensor

        backend.workers("rilctl_watch")
        backend.load(weights)
        self._version = f"step-{self._step}-{_digest(sent)}"
        backend.name(self._version)
        return proof.check(self._version, sent)

    def _is_current(self, answer: Answer) -> bool:
        return answer.versions == {self._version}

    def _revive(self) -> None:
        """A server that was restarted has the weights that it began with."""
        self._send()


def _digest(checksums: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:16]
