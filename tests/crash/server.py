"""Run by processes.py as a process of its own, with the shim preloaded: forks command lines of rilctl, all their ranks.

A line of stdin is JSON: {"workspace": DIRECTORY, "command": [...], "num_ranks": N, "patience_s": seconds}, and so is
the answer: {"codes": exit codes, negative for signals, "num_strays": processes that outlived them, "is_hung": they took
too long}. What they say goes to files in the workspace. Forking saves the imports of torch and the like, which take ten
times as long as what is tested: what one run imports, the next ones need not.
"""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from rilctl.cli.app import run
from rilctl.engines.ports import hold_port

_BE_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of our children become ours
_STRAY_S = 30.0
"""How long what a process started may take to end after it: a job of `quickstart` puts its work away first."""


def main() -> None:
    """See the top of this file."""
    ctypes.CDLL(None).prctl(_BE_SUBREAPER, 1, 0, 0, 0)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # imports print
    for line in sys.stdin:
        print(json.dumps(_order(**json.loads(line))), file=answers, flush=True)


def _order(workspace: str, command: list[str], num_ranks: int, patience_s: float) -> dict[str, object]:
    port = hold_port()
    pids = [_fork(Path(workspace), command, rank, num_ranks, port) for rank in range(num_ranks)]
    codes, deadline = dict[int, int](), time.monotonic() + patience_s
    while len(codes) < num_ranks and time.monotonic() < deadline:
        codes |= _reap()
        codes = {pid: code for pid, code in codes.items() if pid in pids}
        time.sleep(0.002)
    is_hung = len(codes) < num_ranks
    deadline = time.monotonic() + _STRAY_S
    while _children() and time.monotonic() < deadline and not is_hung:
        codes = _reap() | codes
        time.sleep(0.002)
    left = _children()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    while _children():
        codes = _reap() | codes
        time.sleep(0.002)
    _import_what_was_imported(Path(workspace))
    return {"codes": [codes[pid] for pid in pids], "num_strays": len(set(left) - set(pids)), "is_hung": is_hung}


def _fork(workspace: Path, command: list[str], rank: int, num_ranks: int, port: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(workspace)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(f"{name}-{rank}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if num_ranks > 1:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_ranks)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        sys.argv = ["rilctl", *command]
        code = run(command)
        Path("modules").write_text("\n".join(sys.modules))
        os._exit(code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(255)


def _reap() -> dict[int, int]:
    """Exit codes of children that have ended."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (status := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            ended[status[0]] = os.waitstatus_to_exitcode(status[1])
    return ended


def _children() -> list[int]:
    return [*map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())]


def _import_what_was_imported(workspace: Path) -> None:
    if not (workspace / "modules").exists():
        return
    for name in (workspace / "modules").read_text().split("\n"):
        if name not in sys.modules:
            with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
                importlib.import_module(name)
    (workspace / "modules").unlink()


if __name__ == "__main__":
    main()
