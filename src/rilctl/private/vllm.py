"""Private API of vLLM, of the process that samples and of its workers. Nothing here imports it before it is needed."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from rilctl.private.uses import Use

_TRANSFER = "vllm.distributed.weight_transfer"
_WITNESS_WHY = "to prove which weights sample: a worker extension is public, what it finds in the worker isn't"
_ENGINE_WHY = "to end an engine, and to forget pictures that old weights have encoded, for which `LLM` has no method"
_RESIDENT_WHY = "to read weights back from a model whose layers are fused and padded"


def forget_all(llm: Any) -> None:
    """Forget what was computed with other weights: prompts, pictures, and what the vision tower made of them."""
    llm.reset_prefix_cache()
    llm.reset_mm_cache()
    llm.llm_engine.reset_encoder_cache()


def request_id(internal_id: str) -> str:
    """What an output calls a request: `LLM.enqueue` says its name with eight random characters behind."""
    return internal_id.rpartition("-")[0] or internal_id


def shut_down(llm: Any) -> None:
    """End the engine's process, or what it holds of this one."""
    llm.llm_engine.engine_core.shutdown()


def clean_up_groups() -> None:
    """End vLLM's process groups, with torch's own."""
    importlib.import_module("vllm.distributed").cleanup_dist_env_and_memory()


def watch_model(
    model: Any,
    hear: Callable[[Iterable[tuple[str, Tensor]]], Iterator[tuple[str, Tensor]]],
    see: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """From now on a worker's model is loaded and shown pictures through functions of ours.

    Args:
        model: of the worker.
        hear: gets the weights that the loader takes, and hands them on.
        see: gets what the vision tower is given, and hands it on.
    """
    load_weights, embed = model.load_weights, getattr(model, "embed_multimodal", None)
    model.load_weights = lambda weights, *rest, **named: load_weights(hear(weights), *rest, **named)
    if embed is not None:
        model.embed_multimodal = lambda **pictures: embed(**see(pictures))


def renew_tied_heads(model: Any) -> None:
    """Make a tied head's copy anew, which a CPU has, and vLLM leaves as it was."""
    head = importlib.import_module("vllm.model_executor.layers.vocab_parallel_embedding").ParallelLMHead
    for module in model.modules():
        if isinstance(module, head):
            module.quant_method.process_weights_after_loading(module)


def real_rows(module: Any) -> int | None:
    """Rows of a vocabulary's weight before its padding; None: it is no vocabulary's."""
    return getattr(module, "org_vocab_size", None) or None


def fused_sizes(module: Any) -> list[int]:
    """Rows of each weight that was fused into a layer's; empty where it is one."""
    return list(getattr(module, "output_partition_sizes", None) or ())


def lacks_method(message: str, method: str) -> bool:
    """Whether a server's error says that its workers have no such method: it names it, and has no code of its own."""
    return f"'{method}'" in message


def transfer_client(url: str, timeout_s: float) -> Any:
    """VLLM's own client of the routes of a weight transfer. Raises `ImportError` where vLLM isn't installed."""
    return importlib.import_module(_TRANSFER).HTTPVLLMWeightSyncClient(url, timeout=timeout_s)


def transfer_sender(
    backend: str,
    client: Any,
    *,
    address: str | None,
    port: int,
    num_workers: int,
    weights: Callable[[], Iterator[tuple[str, Tensor]]],
    shapes: Callable[[], Iterator[tuple[str, Tensor]]],
) -> Any:
    """The trainer's side of a weight transfer; its `send_weights` sends them.

    Args:
        backend: `nccl` or `ipc`.
        client: asks the server.
        address: where the trainer listens, for `nccl`.
        port: likewise.
        num_workers: of the server, all replicas together.
        weights: what an update sends.
        shapes: their names, dtypes and shapes.
    """
    transfer: Any = importlib.import_module(_TRANSFER)

    class PolicySource(transfer.WeightSource):  # type: ignore[misc]
        def metadata(self) -> list[Any]:
            return [transfer.ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in shapes()]

        def __iter__(self) -> Iterator[tuple[str, Tensor]]:
            return weights()

    if backend == "nccl":
        info = _init_info("nccl")(address, port, num_workers + 1, rank=0)
    else:
        info = _init_info("ipc")(rank=0)
    return transfer.WeightTransferTrainerFactory.trainer_init(info, client=client, source=PolicySource())


def _init_info(backend: str) -> Any:
    module = importlib.import_module(f"{_TRANSFER}.{backend}_engine")
    return getattr(module, f"{backend.upper()}TrainerInitInfo")


def _has(place: str, *names: str) -> Callable[[], None]:
    """A check that a class has these attributes, or that its code names them where instances have them."""

    def check() -> None:
        module, _, owner = place.partition(":")
        found = getattr(importlib.import_module(f"vllm.{module}"), owner)
        functions = [each for part in found.__mro__ for each in vars(part).values() if inspect.isfunction(each)]
        named = {used for function in functions for used in function.__code__.co_names}
        missing = [name for name in names if not hasattr(found, name) and name not in named]
        if missing:
            raise AttributeError(f"{owner}.{missing[0]}")

    return check


def _check_transfer() -> None:
    transfer: Mapping[str, Any] = vars(importlib.import_module(_TRANSFER))
    inspect.signature(transfer["HTTPVLLMWeightSyncClient"]).bind("http://127.0.0.1", timeout=1.0)
    inspect.signature(transfer["ParamMeta"]).bind("weight", None, (1,))
    inspect.signature(transfer["WeightTransferTrainerFactory"].trainer_init).bind(None, client=None, source=None)
    inspect.signature(_init_info("nccl")).bind("127.0.0.1", 1, 2, rank=0)
    inspect.signature(_init_info("ipc")).bind(rank=0)
    if not isinstance(transfer["WeightSource"], type):
        raise TypeError("WeightSource")


def _check_groups() -> None:
    inspect.signature(importlib.import_module("vllm.distributed").cleanup_dist_env_and_memory).bind()


USES = (
    Use(
        "LLMEngine.engine_core and reset_encoder_cache",
        _ENGINE_WHY,
        _has("v1.engine.llm_engine:LLMEngine", "engine_core", "reset_encoder_cache"),
    ),
    Use("distributed.cleanup_dist_env_and_memory", "to start another engine in the same process", _check_groups),
    Use(
        "worker_base.WorkerBase.model_runner and get_model",
        _WITNESS_WHY,
        _has("v1.worker.worker_base:WorkerBase", "vllm_config", "model_runner", "get_model", "device"),
    ),
    Use("gpu_worker.Worker.reload_weights", _WITNESS_WHY, _has("v1.worker.gpu_worker:Worker", "reload_weights")),
    Use(
        "SupportsMultiModal.embed_multimodal",
        "to compare the pixels that its vision tower is given with ours, which nothing public shows",
        _has("model_executor.models.interfaces:SupportsMultiModal", "embed_multimodal"),
    ),
    Use(
        "ParallelLMHead.quant_method",
        "to load a tied head on a CPU, whose copy vLLM doesn't make anew",
        _has("model_executor.layers.vocab_parallel_embedding:ParallelLMHead", "quant_method"),
    ),
    Use(
        "VocabParallelEmbedding.org_vocab_size",
        _RESIDENT_WHY,
        _has("model_executor.layers.vocab_parallel_embedding:VocabParallelEmbedding", "org_vocab_size", "quant_method"),
    ),
    Use(
        "ColumnParallelLinear.output_partition_sizes",
        _RESIDENT_WHY,
        _has("model_executor.layers.linear:ColumnParallelLinear", "output_partition_sizes"),
    ),
    Use(
        f"{_TRANSFER.removeprefix('vllm.')} and its engines' `TrainerInitInfo`",
        "to send weights from GPU to GPU: the package is documented, its engines' settings aren't",
        _check_transfer,
    ),
)
