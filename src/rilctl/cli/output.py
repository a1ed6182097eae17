"""The only file that prints: results on stdout, everything else on stderr."""

import contextlib
import io
import json
import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from rilctl.artifacts.layout import naming
from rilctl.foreign import one_line, printable
from rilctl.reporting import format

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_PLAIN_INTERVAL_S = 10.0
"""Time between two lines of progress where stderr is no terminal."""

_result_descriptor = 1
"""Where results go; another one than 1 after `own_stdout`."""
_rank = 0
"""Of several processes that do one thing, rank 0 speaks; of the others, only errors are heard."""


@cache
def console() -> "Console":
    """Stderr, made when it is first needed: rich takes a tenth of a second to import, and `--help` needs none."""
    from rich.console import Console

    return Console(file=cast("IO[str]", _Stderr()), markup=False, highlight=False, emoji=False)


class _Stderr:
    """`sys.stderr`, and where nobody reads it any more, as its terminal is closed, say, the null device."""

    def write(self, text: str) -> int:
        return int(self._try(lambda: self._stream.write(text)))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def _stream(self) -> Any:
        return getattr(sys.stderr, "rich_proxied_file", sys.stderr)  # a live bar puts itself in its place

    def _try(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in (2,) if _result_descriptor == 1 else (1, 2):  # see `own_stdout`
                os.dup2(nowhere, descriptor)
            os.close(nowhere)
            return do()


def say(message: str, *, style: str | None = None) -> None:
    """One line on stderr; long lines are not cut, so that paths can be copied."""
    if _rank == 0:
        _print(message, style)


def _print(message: str, style: str | None) -> None:
    console().print(printable(message), style=style, soft_wrap=True)


def warn(message: str) -> None:
    """One line on stderr that a person should not miss."""
    say(f"warning: {message}", style="yellow")


def error(message: str, *, hint: str | None = None, exception: BaseException | None = None) -> None:
    """What went wrong and what to do next; with `exception`, its traceback first."""
    who = f"rank {_rank}: " if _rank else ""
    if exception is not None:
        _print("".join(traceback.format_exception(exception)).rstrip(), None)
    _print(f"{who}error: {_indented(message)}", "red")
    if hint:
        _print(f"{who}hint: {_indented(hint)}", None)


def _indented(message: str) -> str:
    """Further lines stand below the first one: what an error quotes can't begin a hint, or another error."""
    first, *others = message.split("\n")
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in others)])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stderr; the first column is text, the others stand right-aligned."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        shown.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*map(one_line, row))
    console().print(shown)


def pairs(values: Mapping[str, float | str]) -> None:
    """Name and value, one line each, on stderr."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        say(one_line(f"  {name:<{width}}  {format.number(value)}"))


def result(*lines: str) -> None:
    """Write the command's result to stdout, for a person; a line feed within a line is shown as an escape."""
    result_bytes("".join(f"{one_line(line)}\n" for line in lines).encode())


def result_exact(text: str) -> None:
    """The same of a path or an answer, which programs read as it is; a terminal gets what it can show."""
    if os.isatty(_result_descriptor):
        text = printable(text)
    result_bytes(os.fsencode(text + "\n"))  # a path may hold bytes that are no text in this locale


def result_bytes(remaining: bytes) -> None:
    """Write bytes, which end in a line feed, to stdout as they are; a reader that went away is no error."""
    with contextlib.suppress(BrokenPipeError), naming(Path("stdout")):
        while remaining:
            remaining = remaining[os.write(_result_descriptor, remaining) :]


def result_console() -> "Console | None":
    """What renders colours for stdout; None where it is no terminal, or one without colours."""
    if not os.isatty(_result_descriptor):
        return None
    from rich.console import Console

    found = Console(file=io.StringIO(), force_terminal=True, highlight=False)
    return found if found.color_system is not None and not found.no_color else None


def result_screen() -> "Console | None":
    """What a live view is drawn upon, stdout; None where that is no terminal, or one that can't move its cursor."""
    if not os.isatty(_result_descriptor):
        return None
    from rich.console import Console

    found = Console(markup=False, highlight=False, emoji=False)
    return None if found.is_dumb_terminal else found


def has_reader() -> bool:
    """Whether somebody may still read the result: the other end of a pipe is open."""
    asked = select.poll()
    asked.register(_result_descriptor, 0)
    return not asked.poll(0)


def result_json(value: Any, *, indent: int | None = None) -> None:
    """Write one JSON object to stdout; on one line, unless it is a document for people too."""
    text = json.dumps(value, indent=indent, allow_nan=False).replace("\x7f", "\\u007f")
    result_bytes(f"{text}\n".encode())


def notice_from_signal(message: str) -> None:
    """One line on stderr from inside a signal handler, where buffered streams may be half-way through a write."""
    start = "\r\x1b[K" if os.isatty(2) else ""
    with contextlib.suppress(OSError):
        os.write(2, f"{start}{printable(message)}\n".encode())


def restore_terminal() -> None:
    """Show the cursor again, which a live progress bar hides; for an exit that runs no clean-up."""
    if os.isatty(2):
        with contextlib.suppress(OSError):
            os.write(2, b"\r\x1b[K\x1b[?25h")


def leave_screen() -> None:
    """Go back from a live view to what the terminal showed before; for an exit that runs no clean-up."""
    if os.isatty(_result_descriptor):
        with contextlib.suppress(OSError):
            os.write(_result_descriptor, b"\x1b[?1049l\x1b[?25h")


def exit_now(code: int) -> NoReturn:
    """End the process without any clean-up but what was printed."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:  # also where nobody reads any more
        os._exit(code)


def ensure_standard_streams() -> None:
    """Point closed standard streams at the null device, or the first file that is opened would take their place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 (lives as long as the process)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def speak_for(rank: int) -> None:
    """From here on this process is one of several."""
    global _rank
    _rank = rank


def write_results_to(path: Path) -> None:
    """Results go to a file: another process writes them to its stdout."""
    global _result_descriptor
    _result_descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def own_stdout() -> None:
    """From here on only `result` writes to stdout: file descriptor 1 becomes stderr, since engines print.

    For the rest of the process, because native code flushes its buffers as late as at exit.
    """
    global _result_descriptor
    if _result_descriptor == 1:
        sys.stdout.flush()
        _result_descriptor = os.dup(1)
        os.dup2(2, 1)


def close_stdin() -> None:
    """From here on a library that asks a person something, such as whether to run a model's code, gets no answer."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (lives as long as the process)


class ConsoleReporter:
    """The `Reporter` of the command line: a live bar on a terminal, else a plain line now and then."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether there is work, of the verb at hand, that may not be on disk yet."""
        self._live: tuple[Progress, TaskID] | None = None
        self._task: str | None = None
        self._unit = ""
        self._total = self._done = self._num_new = 0
        self._metrics: dict[str, float] = {}
        self._passing: dict[str, float] = {}
        self._began = self._last_line = 0.0

    def say(self, message: str) -> None:
        """See `Reporter`."""
        say(message)

    def warn(self, message: str) -> None:
        """See `Reporter`."""
        warn(message)

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`."""
        self.end()
        self.has_begun = True
        self._task, self._total, self._unit, self._done, self._num_new = task, total, unit, done, 0
        self._metrics, self._passing = {}, {}
        self._began = self._last_line = time.monotonic()
        if console().is_terminal and _rank == 0:
            self._live = self._start_bar()
        else:
            say(f"{task}: {total} {unit}" + (f", {done} already there" if done else ""))

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """See `Reporter`."""
        if self._task is None:
            return
        self._done += num
        self._num_new += num
        if num:
            self._metrics.update(metrics or {})
        self._passing = {} if num else dict(metrics or {})
        if self._live is not None:
            progress, task_id = self._live
            progress.update(task_id, completed=self._done, detail=self._detail())
        elif not (num and self._done == self._total) and time.monotonic() - self._last_line >= _PLAIN_INTERVAL_S:
            # the last unit is said by `end`, with the time that all took
            self._last_line = time.monotonic()
            say(f"{self._task}: {self._detail()}")

    def end(self) -> None:
        """See `Reporter`."""
        if self._task is None:
            return
        self._passing = {}
        if self._live is not None:
            self._live[0].stop()
            self._live = None
        say(f"{self._task}: {self._detail()}, took {format.duration(time.monotonic() - self._began)}")
        self._task = None

    def _detail(self) -> str:
        shown = format.progress(
            done=self._done,
            total=self._total,
            unit=self._unit,
            num_new=self._num_new,
            elapsed_s=time.monotonic() - self._began,
            metrics=self._metrics | self._passing,
        )
        return one_line(shown)

    def _start_bar(self) -> "tuple[Progress, TaskID]":
        from rich.progress import BarColumn, Progress, TextColumn

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console(),
            transient=True,
            refresh_per_second=4,
        )
        task_id = progress.add_task(
            one_line(self._task or ""), total=self._total, completed=self._done, detail=self._detail()
        )
        progress.start()
        return progress, task_id
