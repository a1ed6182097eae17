"""Command lines of rilctl in processes of their own, with the shim preloaded; see server.py."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .shim import Fault, Shim

PATIENCE_S = 300.0
"""A command takes seconds on a quiet machine, `quickstart` half a minute: then it waits for what doesn't come."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        codes: of each rank; negative for the signal that ended it.
        stderr: of all ranks.
        num_strays: processes that it left behind.
        is_hung: it had to be ended.
        num_operations: that were counted.
        hit: what the fault met, if it did.
    """

    codes: tuple[int, ...]
    stderr: str
    num_strays: int
    is_hung: bool
    num_operations: int
    hit: str | None


class Processes:
    """Starts commands with faults; a context manager.

    Args:
        folder: for what this needs itself.
    """

    def __init__(self, folder: Path) -> None:
        self.shim = Shim(folder)
        self._stack = ExitStack()
        environment = {**os.environ, **self.shim.environment, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._stack.enter_context(self._server)

    def run(
        self,
        workspace: Path,
        command: Sequence[str],
        fault: Fault | None = None,
        *,
        num_ranks: int = 1,
        log: Path | None = None,
    ) -> Ended:
        """A command's end; what it does below the workspace's `runs` counts.

        Args:
            workspace: where it runs.
            command: what follows `rilctl`.
            fault: what happens meanwhile.
            num_ranks: processes that do it together.
            log: where the operations are kept.
        """
        assert self._server.stdin is not None and self._server.stdout is not None
        order = {"workspace": str(workspace), "command": [*command], "num_ranks": num_ranks, "patience_s": PATIENCE_S}
        self.shim.arm(workspace / "runs", fault or Fault(), log=log)
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        self.shim.disarm()
        stderr = "".join((workspace / f"stderr-{rank}").read_text() for rank in range(num_ranks))
        codes = tuple(answer.pop("codes"))
        return Ended(codes, stderr, **answer, num_operations=self.shim.num_operations, hit=self.shim.hit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(None, None, None)
