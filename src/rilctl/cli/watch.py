"""`watch`: a run in the terminal while it goes on."""

import os
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from rilctl.cli import output
from rilctl.cli.options import Debug
from rilctl.errors import RilctlError

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console

    from rilctl.views.runs.view import RunView
    from rilctl.views.watch.ahead import PicturesAhead
    from rilctl.views.watch.frame import Frame
    from rilctl.views.watch.look import Look, Watched

_TICK_S = 0.2
"""Between two glances at the terminal's size."""
_PICTURE_WAIT_S = 5.0
"""For the picture of a run that is shown once."""


def watch(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's directory; of a folder with several, the newest under way.")
    ] = Path("runs"),
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time between two looks.")
    ] = 2.0,
    debug: Debug = False,
) -> None:
    """Follow a run: curves, newest rollouts, rates, warnings.

    Nothing is written, nothing is locked. It ends with the run; one that is over is shown once. Where stdout is no
    terminal, each new step is a line. Exit code 1 if the run stopped before it was finished.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # pictures are shown where they are here; nothing is downloaded
    from rilctl.cli import signals
    from rilctl.views.runs.find import find_runs
    from rilctl.views.watch.look import Watched

    views = find_runs(run)
    chosen = _choose(views)
    if len(views) > 1:
        output.say(f"watching `{chosen.path}`, one of {len(views)} runs at `{run}`")
    with signals.handled_by(_leave):
        watched, console = Watched(chosen.path), output.result_screen()
        look = _lines(watched, interval) if console is None else _live(watched, console, interval)
    if look.run.state != "finished":
        step = "" if look.progress.step is None else f" after step {look.progress.step}"
        raise RilctlError(
            f"`{look.run.path}` stopped{step}, and isn't finished", hint="the command that made it goes on with it"
        )


def _choose(views: "list[RunView]") -> "RunView":
    """The one under way that began last, or else the one that began last."""
    return max(views, key=lambda view: (view.state == "running", view.started_at or ""))


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    output.leave_screen()
    os._exit(128 + number)


def _live(watched: "Watched", console: "Console", interval: float) -> "Look":
    """Draw until the run is over, then once more where the terminal keeps it."""
    from rilctl.cli.terminal import picture_protocol
    from rilctl.views.watch.ahead import PicturesAhead

    look, protocol = watched.look(), picture_protocol()
    pictures = PicturesAhead(look.run)
    if look.run.state == "running":
        with console.screen(hide_cursor=True) as screen:
            while look.run.state == "running":
                shown, picture = _drawn(look, pictures, console, console.height, protocol)
                screen.update(shown.layout)
                _draw(shown, picture, protocol, start="\x1b[H")
                _wait(console, interval)
                look = watched.look()
    height = max(1, console.height - 1)  # and the line below for the shell
    shown, picture = _drawn(look, pictures, console, height, protocol, wait_s=_PICTURE_WAIT_S)
    console.print(shown.layout, height=height)
    _draw(shown, picture, protocol, start=f"\x1b[{height}A\r")
    return look


def _drawn(
    look: "Look",
    pictures: "PicturesAhead",
    console: "Console",
    height: int,
    protocol: str | None,
    *,
    wait_s: float = 0.0,
) -> "tuple[Frame, Image | None]":
    from rilctl.views.watch.frame import Terminal, frame
    from rilctl.views.watch.rows import groups_of

    groups = groups_of(look.rollouts)
    picture = pictures.get(groups[0][0], wait_s=wait_s) if groups and (console.color_system or protocol) else None
    has_braille = console.encoding.startswith("utf") and os.environ.get("TERM") != "linux"
    terminal = Terminal(console.width, height, has_braille, draws=protocol is not None)
    return frame(look, terminal, picture=picture), picture


def _draw(shown: "Frame", picture: "Image | None", protocol: str | None, *, start: str) -> None:
    """A picture in the terminal's own protocol, where the frame has left room for it.

    Args:
        shown: what was drawn.
        picture: the picture.
        protocol: its name; None: the frame has drawn the picture itself.
        start: brings the cursor to the frame's upper left corner.
    """
    from rilctl.cli.terminal import cell_px
    from rilctl.views.watch.protocols import FORGOTTEN, PROTOCOLS, Box

    if protocol is None:
        return
    if picture is None or shown.picture_at is None:
        output.result_bytes(FORGOTTEN.get(protocol, "").encode())
        return
    column, line, columns, rows = shown.picture_at
    drawn = PROTOCOLS[protocol](picture, Box(columns, rows, cell_px()))
    move = f"{start}\x1b[{line}B" + (f"\x1b[{column}C" if column else "")
    output.result_bytes(f"\x1b7{move}{drawn}\x1b8".encode())


def _wait(console: "Console", interval: float) -> None:
    """Until it is time for the next look, or the terminal has another size."""
    size, end = console.size, time.monotonic() + interval
    while console.size == size and (left := end - time.monotonic()) > 0:
        time.sleep(min(_TICK_S, left))


def _lines(watched: "Watched", interval: float) -> "Look":
    """A line for each step, from the newest on."""
    from rilctl.views.watch.words import standing, step_line

    told: int | None = None
    warned: set[str] = set()
    while True:
        look = watched.look()
        steps = sorted({step for points in look.metrics.values() for step, _ in points})
        for step in steps[-1:] if told is None else (step for step in steps if step > told):
            output.result(step_line(look, step))
        for name, line in look.warnings.items():
            if name not in warned:
                output.warn(line)
        warned |= look.warnings.keys()
        told = look.progress.step if look.progress.step is not None else told
        if look.run.state != "running":
            break
        if not output.has_reader():
            raise typer.Exit
        time.sleep(interval)
    output.result(f"{look.run.name}: {look.run.state}, {standing(look.run)}")
    return look
