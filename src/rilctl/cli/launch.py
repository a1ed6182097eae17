"""`--gpus` and `--hostfile`: DeepSpeed's launcher starts the ranks, this process waits and gives the result."""

import contextlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from rilctl.artifacts.layout import write_atomic
from rilctl.cli import output
from rilctl.cli.hosts import read_hostfile
from rilctl.cli.interrupts import HANGUP_S, work_is_over
from rilctl.cli.launched import RESULT, SAID, STOP, alive, new_directory
from rilctl.cli.signals import handled_by, leave_within
from rilctl.config.recipe import Recipe, Verb
from rilctl.engines.child import as_child
from rilctl.engines.ports import hold_port
from rilctl.errors import InterruptedByUser, UsageError

_KNOWN_CODES = frozenset({*range(7), 129, 130, 143})
"""Codes that a rank ends with by itself."""
_FINE = (0, 3)


def launch(verb: Verb, recipe: Recipe, *, gpus: int | None, hostfile: Path | None) -> int:
    """Run this very command line on several processes.

    Args:
        verb: trains.
        recipe: as it was read here; every rank reads it again.
        gpus: processes on each host; None: all of a host's.
        hostfile: `host slots=N` lines; None: this host alone.

    Returns:
        The exit code of rank 0, or of the rank that failed.

    Raises:
        UsageError: the recipe's engine is not DeepSpeed, or it isn't installed, or the host file is bad.
        InterruptedByUser: a signal ended it, and no rank has said so.
    """
    check_engine(verb, recipe)
    if importlib.util.find_spec("deepspeed") is None:
        raise UsageError(
            "DeepSpeed isn't installed", hint="install it with `DS_BUILD_OPS=0 pip install 'rilctl[deepspeed]'`"
        )
    if hostfile is not None:
        read_hostfile(hostfile)  # the launcher would go on without it, on this host alone
    # All ranks must see the directory: with several hosts, where the runs are.
    root = Path(recipe.workspace.root) if hostfile else None
    if root:
        root.mkdir(parents=True, exist_ok=True)
    directory = new_directory(root)
    try:
        with alive(directory):
            code = _run([*launcher_command(os.environ, gpus, hostfile), str(directory), *sys.argv[1:]], directory)
        result = (directory / RESULT).read_bytes() if (directory / RESULT).exists() else b""
        is_explained = (directory / SAID).exists()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    output.result_bytes(result)
    if code in _FINE and result:
        return code
    if not is_explained and code - 128 in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The rank that would say so was ended by the launcher, because another had left for the same reason.
        raise InterruptedByUser(code - 128, shlex.join(["rilctl", *sys.argv[1:]]))
    if not is_explained:
        if code in _FINE:  # which is what the launcher makes of its own end
            how = "the launcher was killed"
        else:
            how = f"a rank was ended by signal {256 - code}" if code > 128 else f"a rank ended with code {code}"
        output.error(how, hint="the same command goes on from the last checkpoint")
    return code if code in _KNOWN_CODES - {*_FINE} else 1


def launcher_command(environment: Mapping[str, str], gpus: int | None, hostfile: Path | None) -> list[str]:
    """DeepSpeed's launcher, up to what each rank is started with.

    Raises:
        UsageError: fewer GPUs are visible than asked for.
    """
    command = [sys.executable, "-m", "deepspeed.launcher.runner", "--master_port", str(hold_port(host=""))]
    visible = [device for device in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    if hostfile is not None:
        command += ["--hostfile", str(hostfile.absolute())]
    if gpus is not None and visible and hostfile is None:  # the launcher would count from GPU 0
        if len(visible) < gpus:
            raise UsageError(f"--gpus {gpus}, but CUDA_VISIBLE_DEVICES names {len(visible)}", hint="ask for fewer")
        command += ["--include", f"localhost:{','.join(visible[:gpus])}"]
    elif gpus is not None:
        command += ["--num_gpus", str(gpus)]
    return [*command, "--no_local_rank", "--log_level", "critical", "--module", "rilctl.cli.rank"]


def check_engine(verb: Verb, recipe: Recipe) -> None:
    """Raise `UsageError` where a verb's engine can't train on several processes."""
    table = getattr(recipe, verb.replace("-", "_"))
    if table is None or table.engine.type != "deepspeed":
        raise UsageError(
            f"--gpus and --hostfile need DeepSpeed, and `{verb}.engine.type` is `torch`",
            hint=f"add `--set {verb}.engine.type=deepspeed`",
        )


def _run(command: list[str], directory: Path) -> int:
    """The launcher in a session of its own: it would kill the ranks on Ctrl-C, before they have put their work away."""
    process = subprocess.Popen(as_child(command), stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
    with _stop_through(directory, process):
        code = process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # ranks outlive a launcher that was killed
    return code


@contextlib.contextmanager
def _stop_through(directory: Path, process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP leave a note for the ranks; a second one kills all of this host."""
    first: list[int] = []

    def leave() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        os._exit(128 + first[0])

    def handle(number: int, _frame: FrameType | None) -> None:
        if first:
            leave()
        first.append(number)
        if number == signal.SIGHUP:
            leave_within(HANGUP_S, leave)
        write_atomic(directory / STOP, str(number).encode())
        name = signal.Signals(number).name
        output.notice_from_signal(f"{name}: all ranks finish the current unit; once more leaves at once")

    with handled_by(handle):
        yield
    work_is_over()
