"""The pocket world's data: four real scans of handwritten digits to an image, and questions about them.

`digits.csv.gz` has 1,797 real scans of 8 x 8 px with their labels: the test set of the UCI repository's "Optical
Recognition of Handwritten Digits" (see NOTICE). An image shows four of them in a square; each fills 28 x 28 px, which
is one merged vision token of a Qwen2.5-VL or InternVL tower (2 x 2 patches of 14 px).
Every row is a pure function of ``(split, seed, index, mix)``: no files, no global random state, no torch.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "validation", "test"]
Kind = Literal["read", "read_two", "read_all", "sum", "line_sum", "gap", "line_gap"]
Style = Literal["short", "worked", "listed"]

SPLITS: tuple[Split, ...] = get_args(Split)
KINDS: tuple[Kind, ...] = get_args(Kind)
STYLES: tuple[Style, ...] = get_args(Style)

NUM_SCANS = 1797
SCAN_PX = 28
"""Side of one scan in an image, in pixels: one merged vision token."""
IMAGE_PX = 2 * SCAN_PX
"""Side of an image, in pixels."""
PIXEL_MEAN = 0.3
PIXEL_STD = 0.33
"""Mean and standard deviation of the images' pixels (range 0 to 1), so that normalised pixels have unit variance."""

POSITIONS = ("top left", "top right", "bottom left", "bottom right")
LINES: Mapping[str, tuple[int, int]] = {
    "top row": (0, 1),
    "bottom row": (2, 3),
    "left column": (0, 2),
    "right column": (1, 3),
}
_SPLIT_ENDS: Mapping[Split, tuple[int, int]] = {
    "train": (0, 1100),
    "validation": (1100, 1250),
    "test": (1250, NUM_SCANS),
}


Mix = Mapping[tuple[Kind, Style], float]
"""How often each kind of question occurs with each style of response: relative weights, not negative."""


def cross(kinds: Mapping[Kind, float], styles: Mapping[Style, float]) -> Mix:
    """The mix in which kind and style are independent."""
    return {(kind, style): kinds[kind] * styles[style] for kind in kinds for style in styles}


QUESTIONS: Mix = cross({"sum": 1, "line_sum": 1, "gap": 1, "line_gap": 1}, {"short": 1})
"""The questions that the quickstart asks: each needs several digits read and something computed."""


@dataclass(frozen=True)
class Row:
    """One question about one image."""

    id: str
    kind: Kind
    scans: tuple[int, int, int, int]
    """Indices into scikit-learn's digits, in the order of `POSITIONS`."""
    digits: tuple[int, int, int, int]
    """The labels of the scans, in the same order."""
    question: str
    answer: str
    """The final value, the ground truth for judging."""
    texts: Mapping[Style, str]
    """A right response in every style."""
    style: Style
    """The style drawn for this row from the mix."""

    @property
    def response(self) -> str:
        """The right response in the style drawn for this row."""
        return self.texts[self.style]

    @property
    def image(self) -> Image.Image:
        """The RGB image, `IMAGE_PX` square; drawn anew at each access."""
        return draw(self.scans)


def split_scans(split: Split) -> tuple[int, ...]:
    """The scans of a split, in a fixed shuffled order. No scan belongs to two splits."""
    start, end = _SPLIT_ENDS[split]
    return _shuffled_scans()[start:end]


def make_row(split: Split, seed: int, index: int, mix: Mix = QUESTIONS) -> Row:
    """Draw one row; equal arguments give equal rows.

    Args:
        split: which scans may appear.
        seed: names a stream of rows.
        index: position in the stream, from 0.
        mix: weights of the kinds of question and styles of response.
    """
    rng = random.Random(f"{split}/{seed}/{index}")
    pool = split_scans(split)
    picked = [pool[rng.randrange(len(pool))] for _ in POSITIONS]
    scans = (picked[0], picked[1], picked[2], picked[3])
    labels = scan_labels()
    digits = (labels[scans[0]], labels[scans[1]], labels[scans[2]], labels[scans[3]])
    kind, style = rng.choices(list(mix), weights=list(mix.values()))[0]
    question, answer, worked, listed = _ASK[kind](rng, digits)
    texts: dict[Style, str] = {
        "short": f"answer {answer}",
        "worked": f"i see {worked}. answer {answer}",
        "listed": f"digits {listed}. answer {answer}",
    }
    row_id = f"{split}-{seed}-{index:06d}"
    return Row(row_id, kind, scans, digits, question, answer, texts, style)


def make_rows(split: Split, seed: int, num_rows: int, mix: Mix = QUESTIONS) -> Iterator[Row]:
    """The first `num_rows` rows of the stream `(split, seed)`."""
    return (make_row(split, seed, index, mix) for index in range(num_rows))


def draw(scans: tuple[int, int, int, int]) -> Image.Image:
    """Four scans in a square (RGB, `IMAGE_PX` on a side, bright ink on black)."""
    from PIL import Image

    canvas = Image.new("L", (IMAGE_PX, IMAGE_PX))
    for place, scan in enumerate(scans):
        canvas.paste(scan_image(scan), (place % 2 * SCAN_PX, place // 2 * SCAN_PX))
    return canvas.convert("RGB")


@functools.cache
def scan_image(scan: int) -> Image.Image:
    """One scan enlarged to `SCAN_PX` square (mode L, 0 to 255)."""
    from PIL import Image

    grey = (_digits()[scan, :-1].reshape(8, 8) * (255 / 16)).round().astype("uint8")
    return Image.fromarray(grey).resize((SCAN_PX, SCAN_PX), Image.Resampling.BILINEAR)


@functools.cache
def scan_labels() -> tuple[int, ...]:
    """The digit that each scan shows, by index."""
    return tuple(int(label) for label in _digits()[:, -1])


@functools.cache
def _digits() -> Any:
    """A line for each scan: 64 shades from 0 to 16 row by row, then the digit."""
    import numpy as np

    return np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",", dtype=np.uint8)


@functools.cache
def _shuffled_scans() -> tuple[int, ...]:
    return tuple(sorted(range(NUM_SCANS), key=lambda scan: hashlib.sha256(f"scan {scan}".encode()).digest()))


# What is asked: question, answer, and the middle of a worked and of a listed response.
_Asked = tuple[str, str, str, str]
_Digits = tuple[int, int, int, int]


def _ask_read(rng: random.Random, digits: _Digits) -> _Asked:
    place = rng.randrange(len(POSITIONS))
    seen = str(digits[place])
    return f"read {POSITIONS[place]}", seen, seen, seen


def _ask_read_two(rng: random.Random, digits: _Digits) -> _Asked:
    if rng.random() < 0.5:
        where = rng.choice(list(LINES))
        first, second = LINES[where]
    else:
        first, second = rng.sample(range(len(POSITIONS)), 2)
        where = f"{POSITIONS[first]} and {POSITIONS[second]}"
    seen = f"{digits[first]},{digits[second]}"
    return f"read {where}", f"{digits[first]}{digits[second]}", seen, seen


def _ask_read_all(_: random.Random, digits: _Digits) -> _Asked:
    seen = ",".join(map(str, digits))
    return "read all", "".join(map(str, digits)), seen, seen


def _ask_sum(rng: random.Random, digits: _Digits) -> _Asked:
    first, second = rng.sample(range(len(POSITIONS)), 2)
    return f"add {POSITIONS[first]} and {POSITIONS[second]}", *_added(digits[first], digits[second])


def _ask_line_sum(rng: random.Random, digits: _Digits) -> _Asked:
    line = rng.choice(list(LINES))
    first, second = LINES[line]
    return f"sum of {line}", *_added(digits[first], digits[second])


def _ask_gap(rng: random.Random, digits: _Digits) -> _Asked:
    first, second = rng.sample(range(len(POSITIONS)), 2)
    return f"compare {POSITIONS[first]} and {POSITIONS[second]}", *_compared(digits[first], digits[second])


def _ask_line_gap(rng: random.Random, digits: _Digits) -> _Asked:
    line = rng.choice(list(LINES))
    first, second = LINES[line]
    return f"gap of {line}", *_compared(digits[first], digits[second])


def _added(first: int, second: int) -> tuple[str, str, str]:
    total = first + second
    return str(total), f"{first}+{second}={total}", f"{first},{second} make {total}"


def _compared(first: int, second: int) -> tuple[str, str, str]:
    gap = abs(first - second)
    return str(gap), f"{first}-{second}={gap}", f"{first},{second} differ {gap}"


_ASK: Mapping[Kind, Callable[[random.Random, _Digits], _Asked]] = {
    "read": _ask_read,
    "read_two": _ask_read_two,
    "read_all": _ask_read_all,
    "sum": _ask_sum,
    "line_sum": _ask_line_sum,
    "gap": _ask_gap,
    "line_gap": _ask_line_gap,
}
