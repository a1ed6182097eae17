"""Hugging Face generation in this process, with exact token ids and one seed per response."""

import hashlib
import json
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path

from rilctl.config.fields import HfEngineConfig, ModelConfig, SamplingConfig
from rilctl.config.registry import default_dtype
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError
from rilctl.models.decode import Sampled, sample
from rilctl.models.devices import pick_device
from rilctl.models.prompts import EncodedPrompt, PromptCache, decode_response
from rilctl.models.source import ModelSource, find_model, model_digest, text_files
from rilctl.models.vlm import Vlm, load_vlm


class HfGeneration:
    """A `GenerationEngine` over a model that is loaded when the first prompt comes.

    In `train` it shares the policy's weights, so there is nothing to synchronise.

    Args:
        load: gives the model.
        model_name: hub id or directory.
        model_digest: identity of the model, in the call cache's key.
        rows_per_batch: responses decoded at once; the responses of one question are kept together.
    """

    def __init__(self, load: Callable[[], Vlm], *, model_name: str, model_digest: str, rows_per_batch: int) -> None:
        self.model_name = model_name
        self.model_digest = model_digest
        self.rows_per_batch = rows_per_batch
        self._load = load
        self._prompts: PromptCache | None = None

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        prompts_of = self._prompts = self._prompts or PromptCache(self._load())
        results: dict[int, tuple[Response, ...] | RowError] = {}
        prompts: dict[int, EncodedPrompt] = {}
        for index, request in enumerate(requests):
            try:
                prompts[index] = prompts_of.get(request.question, request.images)
            except RowError as error:
                results[index] = error
        for batch in self._batches({index: len(requests[index].seeds) for index in prompts}):
            groups = sample(prompts_of.vlm, [prompts[i] for i in batch], [requests[i].seeds for i in batch], sampling)
            for index, group in zip(batch, groups, strict=True):
                if all(isfinite(logprob) for sampled in group for logprob in sampled.logprobs):
                    results[index] = tuple(_response(prompts_of.vlm, sampled) for sampled in group)
                else:
                    dtype = str(prompts_of.vlm.dtype).removeprefix("torch.")
                    results[index] = RowError("logits-invalid", f"the model computes no finite logits in {dtype}")
        return [results[index] for index in range(len(requests))]

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._prompts = None

    def _batches(self, num_rows: dict[int, int]) -> list[list[int]]:
        batches: list[list[int]] = []
        room = 0
        for index, num in num_rows.items():
            if not batches or num > room:
                batches.append([])
                room = self.rows_per_batch
            batches[-1].append(index)
            room -= num
        return batches


def load_engine(config: ModelConfig, engine: HfEngineConfig, base_dir: Path) -> HfGeneration:
    """An engine over a model that `config` names; raises what `find_model` raises now, what `load_vlm` raises later."""
    source = find_model(config.model, revision=config.revision, base_dir=base_dir)
    device = pick_device(engine.device)
    return HfGeneration(
        lambda: load_vlm(config, base_dir=base_dir, device=device),
        model_name=source.name,
        model_digest=_answering_digest(config, source),
        rows_per_batch=engine.rows_per_batch,
    )


def _answering_digest(config: ModelConfig, source: ModelSource) -> str:
    """Identity of everything that shapes an answer: weights and their precision, tokenizer, processor, template."""
    texts = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in text_files(source.path)}
    identity = {
        "weights": model_digest(config, source),
        "dtype": config.dtype or default_dtype(config.model),
        "texts": texts,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def shared_engine(vlm: Vlm, prompts: PromptCache, engine: HfEngineConfig) -> HfGeneration:
    """An engine over a model that someone else trains, with its encoded prompts."""
    shared = HfGeneration(
        lambda: vlm, model_name=vlm.source.name, model_digest=vlm.digest, rows_per_batch=engine.rows_per_batch
    )
    shared._prompts = prompts
    return shared


def _response(vlm: Vlm, sampled: Sampled) -> Response:
    return Response(
        text=decode_response(vlm, sampled.token_ids),
        token_ids=sampled.token_ids,
        finish_reason="stop" if sampled.stopped else "length",
        sampling_logprobs=sampled.logprobs,
        truncated_mass=sampled.truncated_mass,
    )
