"""How weights travel from the trainer to a vLLM server: files, or vLLM's own transfer between GPUs."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.state import Boot
from rilctl.errors import EngineError
from rilctl.models.vlm import Vlm
from rilctl.models.weights import Weights, export_files, write_shards


class Transfer(Protocol):
    """Sends weights to a server."""

    def send(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """Replace the weights of the server that `boot` names.

        Raises:
            ConnectionError: it went away.
            EngineError: it was started without this transfer.
        """

    def close(self) -> None:
        """Leave nothing behind."""


class DiskTransfer:
    """Through files that both sides see; works on any hardware.

    Args:
        http: the server.
        policy: whose tokenizer, processor and configuration lie beside the weights.
        directory: seen by both sides under the same path; None: a temporary one, for a server on this host.
    """

    def __init__(self, http: ServerHttp, policy: Vlm, directory: Path | None) -> None:
        self._http, self._policy, self._given = http, policy, directory
        self._directory: Path | None = None

    def send(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """See `Transfer`."""
        if self._directory is None:
            self._directory = self._given or Path(tempfile.mkdtemp(prefix="rilctl-weights-"))
            export_files(self._policy, self._directory)
        write_shards(weights(), self._directory)
        path = str(self._directory.resolve())
        self._http.post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": path}})

    def close(self) -> None:
        """See `Transfer`."""
        if self._given is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


class GpuTransfer:
    """vLLM's weight-transfer engines: `nccl` between GPUs, `ipc` on one. Needs vLLM beside the trainer.

    Args:
        engine: the recipe's table.
        http: the server.
    """

    def __init__(self, engine: VllmServerEngineConfig, http: ServerHttp) -> None:
        self._engine, self._http = engine, http
        self._weights: Callable[[], Weights] = lambda: iter(())
        self._sender: Any = None
        self._connected_to: str | None = None
        """Identity of the server that the sender shares a group with."""

    def send(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """See `Transfer`."""
        if boot.transfer != self._engine.transfer:
            raise EngineError(
                f"the vLLM server at {self._http.url} was started without weight transfer over {self._engine.transfer}",
                hint=f'start it with `--weight-transfer-config \'{{"backend": "{self._engine.transfer}"}}\'`, '
                'or set transfer = "disk"; see docs/vllm.md',
            )
        if boot.identity != self._connected_to:
            self._sender = None  # a server that was started again knows nothing of the old group
        self._weights = weights
        try:
            if self._sender is None:
                self._sender, self._connected_to = self._connect(), boot.identity
            self._sender.send_weights()
        except OSError as error:  # `requests`' errors, too
            self._sender = None  # a server that comes back knows nothing of the old group
            raise ConnectionError(str(error)) from error

    def close(self) -> None:
        """See `Transfer`."""
        if self._sender is not None:
            self._sender.shutdown()

    def _connect(self) -> Any:
        """Init, the first of the four phases; `send_weights` runs start, update and finish."""
        try:
            from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient, WeightTransferTrainerFactory
            from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
            from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo
        except ImportError as error:
            raise EngineError(
                f"transfer = `{self._engine.transfer}` needs vLLM beside the trainer", hint="pip install 'rilctl[vllm]'"
            ) from error
        if self._engine.transfer == "nccl":
            num_workers = self._http.get("/get_world_size")["world_size"]
            info: Any = NCCLTrainerInitInfo(self._engine.nccl_address, self._engine.nccl_port, num_workers + 1, rank=0)
        else:
            info = IPCTrainerInitInfo(rank=0)
        client = HTTPVLLMWeightSyncClient(self._engine.url, timeout=self._engine.timeout_s)
        return WeightTransferTrainerFactory.trainer_init(info, client=client, source=_source(self))

    def stream(self) -> Iterator[tuple[str, torch.Tensor]]:
        """What the next update sends."""
        return self._weights()


def _source(transfer: GpuTransfer) -> Any:
    """VLLM's view of the weights; a class of vLLM's, so it is made where vLLM is there."""
    from vllm.distributed.weight_transfer import ParamMeta, WeightSource

    class PolicySource(WeightSource):  # type: ignore[misc]
        def metadata(self) -> list[Any]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in transfer.stream()]

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return transfer.stream()

    return PolicySource()
