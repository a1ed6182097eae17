"""The servers of a rehearsal: child processes, each with a log, all ended when it ends."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rilctl.engines.child import as_child
from rilctl.engines.generation.vllm.backend import SERVER_OPTIONS
from rilctl.errors import RilctlError
from rilctl.pipeline.jobs import new_log, tail
from rilctl.pipeline.rehearsal.asked import Server
from rilctl.reporting.progress import Reporter

_GRACE_S = 20.0
_DOUBLES = "rilctl.testing.serve"
"""Shipped doubles; a module of its own, since tests use them as well."""


@dataclass
class Servers:
    """Those that run.

    Args:
        folder: of the rehearsal.
        environment: of its processes.
        reporter: told what starts.
    """

    folder: Path
    environment: Mapping[str, str]
    reporter: Reporter
    running: dict[Server, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    logs: dict[Server, Path] = field(default_factory=dict)
    """Where each writes, or wrote; every start has a file of its own."""

    def start(self, server: Server) -> None:
        """Start a server unless it runs, and end another one at its port."""
        if server in self.running:
            return
        for other in [other for other in self.running if other.port == server.port]:
            self.stop(other)
        command = server_command(server)
        self.reporter.say(f"{server.name}: {' '.join(command[1:])}")
        self.logs[server] = new_log(self.folder / "logs", f"server-{server.name}")
        with self.logs[server].open("wb") as log:
            self.running[server] = subprocess.Popen(
                as_child(command),
                cwd=self.folder,
                env={**self.environment, **_SERVER_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `RilctlError` if one has ended."""
        for server, process in self.running.items():
            if process.poll() is not None:
                said = "\n  ".join(tail(self.logs[server]))
                raise RilctlError(
                    f"the server `{server.name}` ended by itself (exit code {process.returncode}):\n  {said}",
                    hint=f"all that it said is in {self.logs[server]}",
                )

    def stop(self, server: Server) -> None:
        """End a server with all that it started: they are a process group of their own."""
        process = self.running.pop(server)
        for number, patience_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


_SERVER_ENVIRONMENT = {
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}


def server_command(server: Server) -> list[str]:
    """How a server is started: vLLM's with the options of docs/vllm.md, and few resources."""
    if server.kind != "vllm":
        command = [sys.executable, "-m", _DOUBLES, server.kind, "--port", str(server.port)]
        return command if server.model is None else [*command, "--model", server.model]
    return [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(server.model)),
        *("--host", "127.0.0.1", "--port", str(server.port), "--dtype", server.dtype),
        *SERVER_OPTIONS,
        *("--enforce-eager", "--max-model-len", "4096", "--kv-cache-memory-bytes", str(1 << 28)),
        "--no-enable-chunked-prefill",  # see `rilctl.engines.generation.vllm.local`
    ]


@contextlib.contextmanager
def opened_servers(folder: Path, environment: Mapping[str, str], reporter: Reporter) -> Iterator[Servers]:
    """Servers that all end with the block."""
    servers = Servers(folder, environment, reporter)
    try:
        yield servers
    finally:
        for server in list(servers.running):
            servers.stop(server)
