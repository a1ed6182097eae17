"""vLLM in this process."""

import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from rilctl.config.engines import VllmEngineConfig
from rilctl.config.fields import Dtype
from rilctl.engines.endpoints.places import numbered
from rilctl.engines.generation.vllm.backend import WITNESS, Answer, Ask, Generated
from rilctl.engines.generation.vllm.plugin import PARENT
from rilctl.engines.generation.vllm.state import Boot, read_boot
from rilctl.errors import RilctlError, UsageError
from rilctl.models.loaded.weights import Weights
from rilctl.private.uses import require
from rilctl.private.vllm import clean_up_groups, forget_all, request_id, shut_down

_CPU_CACHE_BYTES = 1 << 30
_OVER: Final[Any] = object()


class LocalVllm:
    """A `Backend`: vLLM's engine, its scheduler and its worker, in this process.

    With one GPU the worker shares the process, so that weights are handed over without a copy on disk.

    Args:
        directory: model to load.
        dtype: precision of weights and activations.
        engine: the recipe's table.
        updates: whether weights will be replaced.
        sleeps: whether weights and cache are given back after each call, until weights are replaced; a CPU takes
            vLLM's calls for that, and keeps both.
        runs_code: whether the code that its files bring is run.
        on_close: called at the end.

    Raises:
        UsageError: this process trains with others.
        EngineError: the installed vLLM isn't such as we know it.
    """

    def __init__(
        self,
        directory: Path,
        dtype: Dtype,
        engine: VllmEngineConfig,
        *,
        updates: bool = False,
        sleeps: bool = False,
        runs_code: bool = False,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
            raise UsageError(  # it would wait for the other processes to join its groups
                "vLLM can't run inside one of several processes that train",
                hint='run `vllm serve` and set type = "vllm-server", for a judge `endpoint`; see docs/vllm.md',
            )
        _set_environment(engine)
        with _undisturbed():
            from vllm import LLM

            require("vllm")
            arguments = _engine_arguments(engine, sleeps=sleeps)
            self._llm = LLM(model=str(directory), dtype=dtype, trust_remote_code=runs_code, **arguments)
        self._sleeps, self._is_asleep = sleeps, False
        self._updates, self._on_close = updates, on_close
        self.max_length_tokens = int(self._llm.model_config.max_model_len)

    def wait(self) -> None:
        """See `Backend`: it is there as long as this process is."""

    def stream(
        self, asks: Iterable[Ask | None], params: Mapping[str, Any], num_places: int
    ) -> Iterator[Mapping[int, Answer]]:
        """See `Backend`: between two steps of the engine, what has ended makes room for what is asked next."""
        from vllm import SamplingParams

        engine, under_way = self._llm.llm_engine, dict[str, int]()
        ahead = numbered(asks)
        try:
            while True:
                while len(under_way) < num_places and (following := next(ahead, _OVER)) is not None:
                    if following is _OVER:
                        if not under_way:
                            return
                        break
                    number, ask = following
                    one = SamplingParams(**params, seed=ask.seed)
                    (internal_id,) = self._llm.enqueue([_prompt(ask)], [one], use_tqdm=False)
                    under_way[request_id(internal_id)] = number
                outputs = engine.step() if under_way else []
                yield {under_way.pop(output.request_id): _answer(output) for output in outputs if output.finished}
        finally:
            if under_way:
                engine.abort_request([*under_way])

    def boot(self) -> Boot:
        """See `Backend`."""
        return read_boot(self.workers("rilctl_boot"))

    def load(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """See `Backend`."""
        if self._is_asleep:
            self._llm.wake_up(tags=["weights"])
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights()})
        if self._is_asleep:
            self._llm.wake_up(tags=["kv_cache"])
            self._is_asleep = False
        forget_all(self._llm)

    def name(self, version: str) -> None:
        """See `Backend`."""
        self._llm.update_weight_version(version)

    def version(self) -> str:
        """See `Backend`."""
        return str(self._llm.get_weight_version())

    def workers(self, method: str) -> list[dict[str, Any]]:
        """See `Backend`."""
        replies: list[dict[str, Any]] = self._llm.collective_rpc(method)
        return replies

    def rest(self) -> None:
        """See `Backend`: weights and cache leave the GPU; at level 2 no copy of them stays on the host."""
        if self._sleeps and not self._is_asleep:
            self._llm.sleep(level=2)
            self._is_asleep = True

    def close(self) -> None:
        """See `Backend`."""
        shut_down(self._llm)
        del self._llm
        if not self._updates:  # in `train`, process groups may be the trainer's
            clean_up_groups()
        self._on_close()


def _set_environment(engine: VllmEngineConfig) -> None:
    """What vLLM reads from the environment only; what a person set there stays."""
    quiet = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    threads = {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}  # the process trains as well
    for name, value in (quiet | threads).items():
        os.environ.setdefault(name, value)
    os.environ[PARENT] = str(os.getpid())
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0" if engine.num_gpus == 1 else "1"


def _engine_arguments(engine: VllmEngineConfig, *, sleeps: bool) -> dict[str, Any]:
    on_gpu = torch.cuda.is_available()
    cache_bytes = engine.kv_cache_bytes or (None if on_gpu else _CPU_CACHE_BYTES)
    # A prompt that is begun in one step and ended in the next winds its generator back, which a CPU's can't be.
    whole_prompts = {} if on_gpu else {"enable_chunked_prefill": False}
    return {
        **whole_prompts,
        "max_model_len": engine.max_length_tokens,
        "max_num_seqs": engine.rows_per_batch,
        "limit_mm_per_prompt": {"image": engine.max_images, "video": 0, "audio": 0},
        "mm_device_do_normalize": False,  # pixels as the image processor makes them, to be compared with ours
        "logprobs_mode": "processed_logprobs",
        "runner": "generate",
        "config_format": "hf",  # what was checked, whatever else vLLM would find there
        "use_tqdm_on_load": False,
        "tensor_parallel_size": engine.num_gpus,
        "gpu_memory_utilization": engine.gpu_memory_share,
        "kv_cache_memory_bytes": cache_bytes,
        "enforce_eager": engine.eager or not on_gpu,
        "enable_sleep_mode": sleeps and on_gpu,
        "worker_extension_cls": WITNESS,
        "generation_config": "vllm",  # nothing is taken from the model's
        "seed": 0,
    }


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Starting vLLM seeds every generator of the process, and on a CPU disables `torch.set_num_threads`."""
    python, set_num_threads = random.getstate(), torch.set_num_threads
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            torch.set_num_threads = set_num_threads


def _prompt(ask: Ask) -> dict[str, Any]:
    prompt: dict[str, Any] = {"prompt_token_ids": list(ask.token_ids)}
    if ask.pictures:
        prompt["multi_modal_data"] = {"image": [picture.pixels for picture in ask.pictures]}
        prompt["multi_modal_uuids"] = {"image": [picture.name for picture in ask.pictures]}
    return prompt


def _answer(output: Any) -> Generated:
    sampled = output.outputs[0]
    if sampled.finish_reason not in ("stop", "length"):
        raise RilctlError(f"vLLM ended a response with `{sampled.finish_reason}`", hint="look at its log")
    token_ids = tuple(sampled.token_ids)
    return Generated(
        list(output.prompt_token_ids),
        token_ids,
        tuple(at[token_id].logprob for at, token_id in zip(sampled.logprobs, token_ids, strict=True)),
        sampled.finish_reason == "stop",
        frozenset(span.version for span in sampled.weight_versions),
    )
