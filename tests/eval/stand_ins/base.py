"""What a stand-in is: rows with the real columns, and what an answerer may say to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Image, Value
from PIL import Image as Pictures
from PIL import ImageDraw

LETTERS = "ABCDEFGHIJ"
COLOURS = ("red", "green", "blue", "orange", "purple", "brown", "black", "teal", "olive", "navy")
TEXT, WHOLE, REAL, PICTURE = Value("string"), Value("int64"), Value("float64"), Image()


@dataclass
class StandIn:
    """One configuration of a data set.

    Args:
        repository: its name on the hub.
        config: its configuration; `default` where the real one has no others.
        features: the columns.
        splits: rows by split; the asked one is the first.
        tasks: lmms-eval's tasks that ask the first split.
        right: the right answer to each of its rows.
        wrong: an explicitly wrong one.
    """

    repository: str
    features: Mapping[str, Any]
    tasks: Sequence[str]
    config: str = "default"
    splits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, split: str, row: dict[str, Any], right: str, wrong: str) -> None:
        """One row, and what an answerer may say to it."""
        first = next(iter(self.splits), split)
        self.splits.setdefault(split, []).append(row)
        if split == first:
            self.right.append(right)
            self.wrong.append(wrong)


def picture(number: int, words: str = "") -> Pictures.Image:
    """A square, a disc and a word, different for each number."""
    image = Pictures.new("RGB", (84, 84), "white")
    draw = ImageDraw.Draw(image)
    colour, other = COLOURS[number % 10], COLOURS[(number * 3 + 1) % 10]
    draw.rectangle((6, 6, 30 + number % 5 * 6, 34), fill=colour)
    draw.ellipse((40, 36, 76, 72), outline=other, width=4)
    draw.text((8, 60), words or str(number), fill="black")
    return image


def options_for(number: int, count: int = 4) -> tuple[list[str], int]:
    """Colours to choose from, and which one is right: the square's."""
    colours = [COLOURS[(number + step) % 10] for step in range(count)]
    place = number % count
    colours[0], colours[place] = colours[place], colours[0]
    return colours, place
