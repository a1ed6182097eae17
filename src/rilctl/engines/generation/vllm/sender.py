"""vLLM's side of the trainer in a weight transfer; needs vLLM beside the trainer."""

from collections.abc import Callable
from typing import Any

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.vllm.watched import WatchedClient
from rilctl.errors import EngineError
from rilctl.models.loaded.weights import Weights
from rilctl.private.uses import require
from rilctl.private.vllm import transfer_client, transfer_sender

_LONGER_S = 60.0
"""By which a request outlasts the transfer that it belongs to: who watches that says why it ends."""


def open_client(engine: VllmServerEngineConfig) -> WatchedClient:
    """Asks for the four phases: init, start, update and finish. Raises `EngineError` without a vLLM that we know."""
    try:
        client = transfer_client(engine.url, engine.timeout_s + _LONGER_S)
    except ImportError as error:
        raise EngineError(
            f"transfer = `{engine.transfer}` needs vLLM beside the trainer", hint="pip install 'rilctl[vllm]'"
        ) from error
    require("vllm")
    return WatchedClient(client)


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
    return transfer_sender(
        engine.transfer,
        client,
        address=engine.nccl_address,
        port=engine.nccl_port,
        num_workers=num_workers,
        weights=weights,
        shapes=shapes,
    )
