"""The newest rollouts: a group with its question, its truth, its rows and their rewards."""

from collections.abc import Sequence
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING

from rich.text import Text

from rilctl.foreign import one_line
from rilctl.reporting.format import number
from rilctl.schemas.records import RolloutRecord
from rilctl.views.watch.half_blocks import cells, half_blocks

if TYPE_CHECKING:
    from PIL.Image import Image

_PICTURE_COLUMNS = 28
_PICTURE_ROWS = 14


def groups_of(rows: Sequence[RolloutRecord]) -> list[list[RolloutRecord]]:
    """The groups of a step, those first whose students' rewards differ: there is something to learn from them."""
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row.sample_id)]
    return sorted(groups, key=lambda group: len({row.reward for row in group if row.side == "student"}) < 2)


def rows_height(rows: Sequence[RolloutRecord], *, has_picture: bool) -> int:
    """Lines that the first group needs."""
    groups = groups_of(rows)
    return 1 + max(len(_beside(groups[0])) if groups else 0, _PICTURE_ROWS if has_picture else 0)


def picture_cells(picture: "Image", width: int, height: int) -> tuple[int, int] | None:
    """Columns and lines of the first group's picture, which begins in its second line; None where there is no room."""
    if width < 2 * _PICTURE_COLUMNS or height < 3:
        return None
    return cells(picture, _PICTURE_COLUMNS, min(_PICTURE_ROWS, height - 1))


def rows_text(
    rows: Sequence[RolloutRecord], width: int, height: int, *, picture: "Image | None" = None, leave_room: bool = False
) -> Text:
    """As many groups of a step as so many lines hold, the picture of the first on its left where there is room.

    Args:
        rows: the step's.
        width: columns.
        height: lines.
        picture: the first group's.
        leave_room: the picture's place stays empty: the terminal draws it in its own way.
    """
    lines: list[Text] = []
    for group in groups_of(rows):
        if len(lines) + 2 >= height:
            break
        lines.append(Text(f"step {group[0].step}, question {one_line(group[0].sample_id)}", style="bold"))
        drawn: list[Text] = []
        if picture is not None and (size := picture_cells(picture, width, height)) is not None:
            blank = [Text(" " * size[0]) for _ in range(size[1])]
            drawn = blank if leave_room else [*half_blocks(picture, *size).split("\n")]
        picture = None
        columns = max((line.cell_len + 2 for line in drawn), default=0)
        for left, right in zip_longest(drawn, _beside(group)):
            line = left or Text("")
            if right is not None:
                right.truncate(max(1, width - columns), overflow="ellipsis")
                line = line.append(" " * (columns - line.cell_len)).append_text(right)
            lines.append(line)
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines[:height])


def _beside(group: Sequence[RolloutRecord]) -> list[Text]:
    lines = [Text(one_line(group[0].question))]
    if group[0].answer:
        lines.append(Text(f"truth: {one_line(group[0].answer)}", style="green"))
    for row in sorted(group, key=lambda row: row.side):
        line = Text()
        reward = "no verdict" if row.reward is None else number(row.reward)
        line.append(f"{one_line(row.source)[:10]:<10} ", style="magenta" if row.side == "teacher" else "cyan")
        line.append(f"{reward:>6} ", style="bold").append(_parts(row), style="dim").append(one_line(row.text))
        lines.append(line)
    return lines


def _parts(row: RolloutRecord) -> str:
    """`right, as a teacher's  `: what the reward is made of, where that is yes or no."""
    said = []
    if row.answer_reward is not None:
        said.append(
            "right" if row.answer_reward == 1 else "wrong" if row.answer_reward == 0 else number(row.answer_reward)
        )
    if row.similarity_reward is not None:
        said.append(f"similar {number(row.similarity_reward)}")
    return f"{', '.join(said)}  " if said else ""
