"""How weights travel from the trainer to a vLLM server: here through files, in `gpu_transfer.py` between GPUs."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.state import Boot
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.weights import Weights, export_files, write_shards


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
