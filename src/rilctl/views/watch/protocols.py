"""Pictures in a terminal's own protocol, where it says that it has one: kitty's, iTerm2's, or sixel.

Sources: sw.kovidgoyal.net/kitty/graphics-protocol, iterm2.com/documentation-images.html, and the VT330/VT340
programmer reference manual, volume 2, chapter 14 (sixel); for what is asked, xterm's control sequences, `XTVERSION` and
`DA1`.
"""

import io
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[c"
"""Whether a picture of one pixel could be shown as kitty does; the terminal's name; what it can. Every terminal answers
the last one, and answers come in order."""
ANSWERED = re.compile(r"\x1b\[\?([0-9;]*)c")
"""The answer to the last question: from here on no other one comes."""
_LIKE_ITERM = re.compile(r"\x1bP>\|(iTerm2|WezTerm|mintty)\b")
_SIXEL = "4"
"""Among what a terminal says that it can."""
_CHUNK_CHARS = 4096
_MOST_COLOURS = 64


@dataclass(frozen=True)
class Box:
    """Where a picture stands, in characters.

    Args:
        columns: so wide.
        rows: so high.
        cell_px: width and height of a character.
    """

    columns: int
    rows: int
    cell_px: tuple[int, int]


def protocol_of(answer: str) -> str | None:
    """The name of a protocol that a terminal has, by what it answered to `QUESTION`; None: it has none."""
    if "\x1b_Gi=31;OK" in answer:
        return "kitty"
    if _LIKE_ITERM.search(answer):
        return "iterm2"
    found = ANSWERED.search(answer)
    return "sixel" if found and _SIXEL in found[1].split(";") else None


def _kitty(image: "Image", box: Box) -> str:
    """Under one number, so that the picture takes the earlier one's place."""
    data = _png(image)
    chunks = [data[at : at + _CHUNK_CHARS] for at in range(0, len(data), _CHUNK_CHARS)]
    keys = f"a=T,f=100,i=1,p=1,q=2,C=1,c={box.columns},r={box.rows},"
    return "".join(
        f"\x1b_G{'' if at else keys}m={int(at < len(chunks) - 1)};{chunk}\x1b\\" for at, chunk in enumerate(chunks)
    )


def _iterm2(image: "Image", box: Box) -> str:
    keys = f"inline=1;width={box.columns};height={box.rows};preserveAspectRatio=0;doNotMoveCursor=1"
    return f"\x1b]1337;File={keys}:{_png(image)}\x07"


def _sixel(image: "Image", box: Box) -> str:
    """Bands of six pixels; in each, one pass for every colour that it has."""
    width, height = box.columns * box.cell_px[0], box.rows * box.cell_px[1]
    reduced = image.resize((width, height)).quantize(_MOST_COLOURS)
    palette, pixels = reduced.getpalette() or [], reduced.tobytes()
    parts = [f'\x1bP9;1q"1;1;{width};{height}']
    for colour in sorted(set(pixels)):
        red, green, blue = (round(value * 100 / 255) for value in palette[3 * colour : 3 * colour + 3])
        parts.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        passes: dict[int, bytearray] = {}
        for row in range(top, min(top + 6, height)):
            for at, colour in enumerate(pixels[row * width : (row + 1) * width]):
                passes.setdefault(colour, bytearray(b"?" * width))[at] += 1 << (row - top)
        parts.append("$".join(f"#{colour}{_runs(line.decode())}" for colour, line in passes.items()) + "-")
    return "".join(parts) + "\x1b\\"


PROTOCOLS: Mapping[str, Callable[["Image", Box], str]] = {"kitty": _kitty, "iterm2": _iterm2, "sixel": _sixel}
"""By name: what a terminal is sent to show an RGB picture where its cursor is."""


FORGOTTEN: Mapping[str, str] = {"kitty": "\x1b_Ga=d,d=I,i=1,q=2\x1b\\"}
"""What takes a picture away where text that is written over it doesn't."""


def _png(image: "Image") -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return b64encode(buffer.getvalue()).decode()


def _runs(sixels: str) -> str:
    """Four and more of the same in a row are said once, with their number."""
    return re.sub(r"(.)\1{3,}", lambda run: f"!{len(run[0])}{run[1]}", sixels)
