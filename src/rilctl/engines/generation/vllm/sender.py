"""vLLM's side of the trainer in a weight transfer; needs vLLM beside the trainer."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.vllm.watched import WatchedClient
from rilctl.errors import EngineError
from rilctl.models.loaded.weights import Weights


def open_client(engine: VllmServerEngineConfig) -> WatchedClient:
    """Asks for the four phases: init, start, update and finish. Raises `EngineError` where vLLM isn't installed."""
    try:
        from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient
    except ImportError as error:
        raise EngineError(
            f"transfer = `{engine.transfer}` needs vLLM beside the trainer", hint="pip install 'rilctl[vllm]'"
        ) from error
    return WatchedClient(HTTPVLLMWeightSyncClient(engine.url, timeout=engine.timeout_s))


def open_sender(
    engine: VllmServerEngineConfig,
    client: WatchedClient,
    num_workers: int,
    weights: Callable[[], Weights],
    shapes: Callable[[], Weights],
) -> Any:
    """Init, the first of the four phases; the sender's `send_weights` runs start, update and finish.

    Args:
        engine: the recipe's table.
        client: asks the server.
        num_workers: of the server, all replicas together.
        weights: what an update sends.
        shapes: their names, dtypes and shapes.
    """
    from vllm.distributed.weight_transfer import ParamMeta, WeightSource, WeightTransferTrainerFactory
    from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    class PolicySource(WeightSource):  # type: ignore[misc]
        def metadata(self) -> list[Any]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in shapes()]

        def __iter__(self) -> Iterator[tuple[str, Tensor]]:
            return weights()

    if engine.transfer == "nccl":
        info: Any = NCCLTrainerInitInfo(engine.nccl_address, engine.nccl_port, num_workers + 1, rank=0)
    else:
        info = IPCTrainerInitInfo(rank=0)
    return WeightTransferTrainerFactory.trainer_init(info, client=client, source=PolicySource())
