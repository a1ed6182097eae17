"""One picture of a run for a terminal of some size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.layout import Layout
from rich.text import Text

from rilctl.foreign import one_line
from rilctl.reporting.format import number
from rilctl.reporting.registry import find_metric
from rilctl.views.runs.series import Series
from rilctl.views.watch.chart import bounds, draw
from rilctl.views.watch.curves import curves_of
from rilctl.views.watch.look import Look
from rilctl.views.watch.rows import picture_cells, rows_height, rows_text
from rilctl.views.watch.words import standing, state_line

if TYPE_CHECKING:
    from PIL.Image import Image

_CHART_COLUMNS = 36
"""A chart is at least so wide, where the terminal is."""
_CHART_ROWS = 7
"""Its title, the curve, the steps below."""
_WIDE = 150
"""From here on rollouts stand beside the charts, not below them."""
_MOST_WARNINGS = 4
_MARGIN = 9
"""Columns for the values of an axis."""
_STATES = {"running": "green", "finished": "blue", "stopped": "red", "unreadable": "red"}


@dataclass(frozen=True)
class Terminal:
    """What is drawn upon.

    Args:
        width: columns.
        height: lines.
        braille: whether it has these characters.
        draws: it draws pictures in its own way, so that their place stays empty.
    """

    width: int
    height: int
    braille: bool = True
    draws: bool = False


@dataclass(frozen=True)
class Frame:
    """What a terminal is shown.

    Args:
        layout: in exactly its lines and columns.
        picture_at: column and line where a picture's place begins, counted from 0, and how wide and high it is, in
            characters; None: it has no place.
    """

    layout: Layout
    picture_at: tuple[int, int, int, int] | None


def frame(look: Look, terminal: Terminal, *, picture: "Image | None" = None) -> Frame:
    """A run as it stands.

    Args:
        look: the run.
        terminal: how large it is.
        picture: of the group that is shown; None: there is none, or it isn't known yet.
    """
    head = _head(look, terminal.width)
    said = [*look.warnings.values(), *look.run.problems][:_MOST_WARNINGS]
    alarm = [Text(f"! {one_line(line)}", style="yellow") for line in said]
    above = len(head) + len(alarm)
    body, place = _body(look, replace(terminal, height=max(0, terminal.height - above)), picture)
    whole = Layout()
    whole.split_column(*(_stack(part, terminal.width) for part in (head, alarm) if part), body)
    return Frame(whole, place and (place[0], place[1] + above, *place[2:]))


def _body(look: Look, terminal: Terminal, picture: "Image | None") -> tuple[Layout, tuple[int, int, int, int] | None]:
    """Curves and rollouts, and the picture's place among them."""
    width, height = terminal.width, terminal.height
    if not look.rollouts:
        return _charts(look, terminal), None
    if is_wide := width >= _WIDE:
        left, top = width - width * 2 // 5, 0
        charts = _charts(look, replace(terminal, width=left))
    else:
        left, top = 0, height - min(height // 2, rows_height(look.rollouts, has_picture=picture is not None))
        charts = _charts(look, replace(terminal, height=top))
    charts.size = left or top
    room = (width - left - 2 * is_wide, height - top)
    text = rows_text(look.rollouts, *room, picture=picture, leave_room=terminal.draws)
    body = Layout()
    (body.split_row if is_wide else body.split_column)(charts, Layout(text))
    size = picture_cells(picture, *room) if picture is not None else None
    return body, size and (left, top + 1, *size)


def _stack(lines: Sequence[Text], width: int) -> Layout:
    """Lines below one another, cut to the width."""
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Layout(Text("\n").join(lines), size=len(lines))


def _head(look: Look, width: int) -> list[Text]:
    run, progress = look.run, look.progress
    title = Text()
    title.append(one_line(run.name), style="bold").append(f"  {run.verb}  " if run.verb else "  ")
    title.append(run.state, style=f"bold {_STATES[run.state]}").append(f"  {standing(run)}", style="dim")
    lines = [title]
    if progress.step is not None:
        line = Text()
        if progress.num_steps:
            columns = min(30, width // 4)
            done = round(columns * min(1.0, progress.step / progress.num_steps))
            line.append("━" * done, style=_STATES[run.state]).append("━" * (columns - done), style="bright_black")
            line.append(" ")
        lines.append(line.append(state_line(run, progress)))
    if progress.phases:
        said = "  ".join(f"{name} {100 * share:.0f} %" for name, share in progress.phases if share >= 0.01)
        lines.append(Text(said, style="dim"))
    return lines


def _charts(look: Look, terminal: Terminal) -> Layout:
    width, height = terminal.width, terminal.height
    names = curves_of(look.run.verb, look.metrics)
    across, down = max(1, width // _CHART_COLUMNS), max(1, height // _CHART_ROWS)
    names = names[: across * down]
    grid = Layout()
    if not names or height < 3:
        grid.update(Text("" if look.metrics else _why_no_curves(look), style="dim"))
        return grid
    down = -(-len(names) // across)
    lines = []
    for at in range(down):
        rows = height // down + (at < height % down)
        line = Layout(size=rows)
        columns = width // across
        own = names[at * across : (at + 1) * across]
        drawn = [_chart(look.metrics, name, Terminal(columns - 2, rows, terminal.braille)) for name in own]
        line.split_row(*(Layout(chart, size=columns) for chart in drawn), Layout(Text(" ")))
        lines.append(line)
    grid.split_column(*lines)
    return grid


def _chart(series: Series, name: str, room: Terminal) -> Text:
    points, metric = series[name], find_metric(name)
    low, high = bounds(points, is_share=metric is not None and metric.unit == "share")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(one_line(name), style="bold").append(f"  {number(points[-1][1])}", style="cyan")
    inside = max(4, room.width - _MARGIN)
    lines = draw(points, inside, max(1, room.height - 2), low, high, braille=room.braille)
    for at, line in enumerate(lines):
        value = number(high) if at == 0 else number(low) if at == len(lines) - 1 else ""
        text.append(f"\n{value:>{_MARGIN - 1}} ", style="dim").append(line, style="cyan")
    first, last = f"{points[0][0]}", f"{points[-1][0]}"
    text.append(f"\n{'':{_MARGIN}}{first}{last:>{max(1, inside - len(first))}}", style="dim")
    return text


def _why_no_curves(look: Look) -> str:
    if look.run.verb in ("train", "sft", "pretrain-disc"):
        return "no step is noted yet"
    return "this verb keeps no log of steps; what it has made is said when it is done"
