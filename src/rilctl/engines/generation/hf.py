"""Hugging Face generation in this process, with exact token ids and one seed per response."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from math import isfinite
from pathlib import Path

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError
from rilctl.models.loaded.devices import pick_device, pick_num_workers
from rilctl.models.loaded.identity import identify
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.source import find_source
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.prompts.encode import decode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.prompts.lengths import check_room
from rilctl.models.sampling.sample import Sampled, sample
from rilctl.models.shared_prefix.kept import KeptPrefix


class HfGeneration:
    """A `GenerationEngine` over a model that is loaded when the first prompt comes.

    In `train` it shares the policy's weights, so there is nothing to synchronise.

    Args:
        load: gives the model.
        model_name: hub id or directory.
        model_digest: identity of the model, in the call cache's key.
        rows_per_batch: responses decoded at once; the responses of one question are kept together.
        prompts: gives the encoded prompts of the model, which are closed with the engine.
        kept: may keep prompts for an update of the model.
        between_tokens: see `sample`.
    """

    def __init__(
        self,
        load: Callable[[], Vlm],
        *,
        model_name: str,
        model_digest: str,
        rows_per_batch: int,
        prompts: Callable[[Vlm], KeptPrompts],
        kept: KeptPrefix | None = None,
        between_tokens: Callable[[int], object] = lambda num: None,
    ) -> None:
        self.model_name = model_name
        self.model_digest = model_digest
        self.rows_at_once = rows_per_batch
        self._load, self._prompts, self._kept, self._between_tokens = load, prompts, kept, between_tokens
        self._loaded: tuple[Vlm, KeptPrompts] | None = None

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`. Raises `CancelledError` where another thread closes it meanwhile."""
        if self._loaded is None:
            vlm = self._load()
            self._loaded = vlm, self._prompts(vlm)
        vlm, prompts = self._loaded
        prompts.expect(request.conversation for request in requests)
        results: dict[int, tuple[Response, ...] | RowError] = {}
        for batch in self._batches(requests, vlm, prompts, sampling.max_new_tokens, results):
            seeds = [requests[i].seeds for i in batch]
            asked = list(batch.values())
            groups = sample(vlm, asked, seeds, sampling, kept=self._kept, between_tokens=self._hear)
            for index, group in zip(batch, groups, strict=True):
                if all(isfinite(logprob) for sampled in group for logprob in sampled.logprobs):
                    results[index] = tuple(_response(vlm, sampled) for sampled in group)
                else:
                    dtype = str(vlm.dtype).removeprefix("torch.")
                    results[index] = RowError("logits-invalid", f"the model computes no finite logits in {dtype}")
        return [results[index] for index in range(len(requests))]

    def update(self, version: int) -> dict[str, float]:
        """See `RolloutEngine`: the weights are the policy's own."""
        return {}

    def close(self) -> None:
        """See `GenerationEngine`."""
        if self._loaded is not None:
            self._loaded[1].close()
        self._loaded = None

    def _hear(self, num_tokens: int) -> None:
        if self._loaded is None:
            raise CancelledError
        self._between_tokens(num_tokens)

    def _batches(
        self,
        requests: Sequence[GenerationRequest],
        vlm: Vlm,
        prompts: KeptPrompts,
        response_tokens: int,
        results: dict[int, tuple[Response, ...] | RowError],
    ) -> Iterator[dict[int, EncodedPrompt]]:
        """The prompts of each batch by their place among the requests; a bad request's result is its error."""
        batch: dict[int, EncodedPrompt] = {}
        room = self.rows_at_once
        for index, request in enumerate(requests):
            try:
                prompt = prompts.get(request.conversation)
                check_room(vlm, len(prompt.token_ids_P), response_tokens)
            except RowError as error:
                results[index] = error
                continue
            if batch and len(request.seeds) > room:
                yield batch
                batch, room = {}, self.rows_at_once
            batch[index] = prompt
            room -= len(request.seeds)
        if batch:
            yield batch


def load_engine(
    config: ModelConfig,
    engine: HfEngineConfig,
    base_dir: Path,
    *,
    warn: Callable[[str], object] = warnings.warn,
    between_tokens: Callable[[int], object] = lambda num: None,
) -> HfGeneration:
    """An engine over a model that `config` names; raises what `find_source` raises now, what `load_vlm` raises later.

    Args:
        config: the model.
        engine: how it runs.
        base_dir: folder that relative paths start from.
        warn: see `KeptPrompts`.
        between_tokens: see `sample`.
    """
    source = find_source(config, base_dir=base_dir)
    device = pick_device(engine.device)
    num_workers = pick_num_workers(engine.num_workers, device)
    identity = identify(config, source)

    def load() -> Vlm:
        vlm = load_vlm(config, base_dir=base_dir, device=device)
        identity.refuse_other(vlm.identity, source)  # the call cache would keep its answers as this one's
        return vlm

    return HfGeneration(
        load,
        model_name=source.name,
        model_digest=identity.answering(config),
        rows_per_batch=engine.rows_per_batch,
        prompts=lambda vlm: KeptPrompts(vlm, num_workers=num_workers, warn=warn),
        between_tokens=between_tokens,
    )


def shared_engine(
    vlm: Vlm,
    prompts: KeptPrompts,
    engine: HfEngineConfig,
    kept: KeptPrefix | None = None,
    between_tokens: Callable[[int], object] = lambda num: None,
) -> HfGeneration:
    """An engine over a model that someone else trains, with its encoded prompts, which it may keep for that."""
    return HfGeneration(
        lambda: vlm,
        model_name=vlm.source.name,
        model_digest=vlm.digest,
        rows_per_batch=engine.rows_per_batch,
        prompts=lambda _: prompts,
        kept=kept,
        between_tokens=between_tokens,
    )


def _response(vlm: Vlm, sampled: Sampled) -> Response:
    return Response(
        text=decode_response(vlm, sampled.token_ids),
        token_ids=sampled.token_ids,
        finish_reason="stop" if sampled.stopped else "length",
        sampling_logprobs=sampled.logprobs,
        truncated_mass=sampled.truncated_mass,
    )
