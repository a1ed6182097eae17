"""vLLM's own weight transfer, `nccl` between GPUs and `ipc` on one, with a limit to every wait.

A broadcast whose peer is gone never returns, and vLLM gives it no limit. So it runs in a thread that is watched: for
what the server answers meanwhile, for the server's health, and for the time.
"""

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.sender import open_client, open_sender
from rilctl.engines.generation.vllm.state import Boot
from rilctl.engines.generation.vllm.watched import Call, WatchedClient
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.weights import Weights, weight_shapes

LOOK_S = 2.0
"""Between two looks at a transfer that is under way."""
_MOST_ILL_LOOKS = 3
"""A server that is ill so many times on end is gone."""
LEAVE_S = 15.0
"""How long a thread may take to come back from NCCL when its group is taken down; vLLM waits 5 s for that itself."""
_RELEASE_S = 10.0
"""Longest wait for a server that is told to leave a group."""


class GpuTransfer:
    """A `Transfer` over vLLM's weight-transfer engines.

    Args:
        engine: the recipe's table.
        http: the server.
        policy: whose weights are sent.
    """

    def __init__(self, engine: VllmServerEngineConfig, http: ServerHttp, policy: Vlm) -> None:
        self._engine, self._http, self._policy = engine, http, policy
        self._weights: Callable[[], Weights] = lambda: iter(())
        self._client: WatchedClient | None = None
        self._sender: Any = None
        self._connected_to: str | None = None
        """Identity of the server that the sender shares a group with."""

    def send(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """See `Transfer`."""
        backend = self._engine.transfer
        if boot.transfer != backend:
            raise EngineError(
                f"the vLLM server at {self._http.url} was started without weight transfer over {backend}",
                hint=f'start it with `--weight-transfer-config \'{{"backend": "{backend}"}}\'`, '
                'or set transfer = "disk"; see docs/vllm.md',
            )
        if boot.identity != self._connected_to:
            self._leave()  # a server that was started again knows nothing of the old group
        self._weights = weights
        client = self._client = self._client or open_client(self._engine)
        device = torch.cuda.current_device() if torch.cuda.is_available() else None
        call = Call(lambda: self._send(client, boot, device))
        try:
            self._watch(call, client)
        except (ConnectionError, EngineError) as error:
            self._let_go(call, client, str(error))
            raise
        try:
            call.result()
        except torch.OutOfMemoryError:
            raise
        except (OSError, RuntimeError) as error:  # of `requests`, of torch's store and of NCCL
            self._leave()
            raise ConnectionError(client.failure or str(error)) from error

    def close(self) -> None:
        """See `Transfer`."""
        if self._sender is not None:
            with suppress(ConnectionError, EngineError):
                self._http.post("/shutdown_weight_transfer_engine", timeout_s=_RELEASE_S)
        self._leave()

    def _send(self, client: WatchedClient, boot: Boot, device: int | None) -> None:
        """All that may hang. In a thread of its own, for which torch's current device is another."""
        if device is not None:
            torch.cuda.set_device(device)
        if self._sender is None:
            self._release()
            gc.collect()  # a group that failed keeps its port as long as the traceback of that, which is a cycle
            num_workers = self._http.get("/get_world_size")["world_size"]
            self._sender = open_sender(
                self._engine,
                client,
                num_workers,
                lambda: self._weights(),
                lambda: weight_shapes(self._policy, self._policy.dtype),
            )
            self._connected_to = boot.identity
        self._sender.send_weights()

    def _release(self) -> None:
        """Let the server leave the group of a trainer before us, which may have gone away in mid-update."""
        try:
            self._http.post("/shutdown_weight_transfer_engine")
        except ConnectionError:
            self._http.post("/finish_weight_update")
            self._http.post("/shutdown_weight_transfer_engine")

    def _watch(self, call: Call[None], client: WatchedClient) -> None:
        """Return when a transfer has ended; raise what `send` raises where it must be given up."""
        end = time.monotonic() + self._engine.timeout_s
        num_ill = 0
        while not call.has_ended(within_s=max(0.0, min(LOOK_S, end - time.monotonic()))):
            if client.failure is not None:
                raise ConnectionError(client.failure)
            illness = self._http.illness()
            num_ill = num_ill + 1 if illness else 0
            if num_ill >= _MOST_ILL_LOOKS:
                raise ConnectionError(f"it is gone: {illness}")
            if time.monotonic() >= end:
                raise EngineError(
                    f"the vLLM server at {self._http.url} is healthy, and does not take the weights within "
                    f"{self._engine.timeout_s:g} s",
                    hint="restart it: its workers may wait for a trainer that is gone; the same command goes on",
                )

    def _let_go(self, call: Call[None], client: WatchedClient, reason: str) -> None:
        """End a transfer that is given up. Raises `EngineError` where NCCL keeps the thread that is in it."""
        client.give_up()
        self._leave()
        if not call.has_ended(within_s=LEAVE_S):
            raise EngineError(
                f"weights can't be sent to the vLLM server at {self._http.url}: {reason}; "
                f"and {self._engine.transfer} does not let go of this process",
                hint="restart the server; the same command goes on from the last checkpoint",
            )
        self._leave()  # it may have joined a group meanwhile

    def _leave(self) -> None:
        """Take our side of the group down, which aborts the broadcast that a thread waits in."""
        if self._sender is not None:
            self._sender.shutdown()
        self._sender = self._client = self._connected_to = None
