"""`transformers serve` on this machine: a real server for tests, of a real or a small model, on the CPU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from rilctl.engines.ports import hold_port


class TransformersServer:
    """On a port of its own.

    Args:
        model: directory of the model, which is its name as well.
        folder: for its log and its cache.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.port, self._folder = model, hold_port(), folder
        self.url = f"http://127.0.0.1:{self.port}/v1"
        (folder / "hub").mkdir(exist_ok=True)

    def start(self) -> None:
        """Wait until it answers."""
        command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve"]
        command += [str(self.model), "--device", "cpu", "--host", "127.0.0.1", "--port", str(self.port)]
        environment = {**os.environ, "HF_HOME": str(self._folder), "HF_HUB_OFFLINE": "1"}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200:
                    return
            except httpx2.TransportError:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
            time.sleep(0.2)
        raise AssertionError((self._folder / "server.log").read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, or kill it."""
        self._process.send_signal(number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
