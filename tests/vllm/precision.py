"""Log-probabilities of engine and trainer in one precision, as JSON: over weights that were sent, and that were not."""

import json
import sys
from pathlib import Path

import torch

from rilctl.config.engines import VllmEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.proof import Proof
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import DTYPES, Vlm, load_vlm
from rilctl.models.loaded.weights import checksum, policy_weights
from rilctl.models.prompts.kept import KeptPrompts


def nudge(policy: Vlm, seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator) * parameter.std(correction=0)


def main(model: str, dtype: str) -> None:
    config = ModelConfig(model=model, dtype=dtype)
    policy = load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)
    engine = open_rollouts(policy, KeptPrompts(policy), VllmEngineConfig(kv_cache_bytes=1 << 28), Path())
    sent, found = [], {}
    for seed in range(12):
        nudge(policy, seed, 0.05)
        measured = engine.update(seed)
        sent.append([measured[f"sync/{name}"] for name in ("logprob_error", "max_logprob_error", "num_looks")])
    backend, reader = engine.started()
    proof = Proof(backend, policy, reader, config.dtype or "float32")
    version, weights = engine.state.version, policy_weights(policy, DTYPES[proof.dtype])
    checksums = {name: checksum(tensor) for name, tensor in weights}
    assert proof.check(version, checksums) is not None
    for size in (0.003, 0.01, 0.03, 0.1):
        nudge(policy, 77, size)
        try:
            proof.check(version, checksums)
        except EngineError as error:
            found[size] = error.message
    print("\n" + json.dumps({"sent": sent, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
