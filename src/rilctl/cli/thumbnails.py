"""A picture in the terminal: two pixels in a character, the upper one in the ink's colour, the lower in the paper's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console

_MOST_COLUMNS = 40
_MOST_ROWS = 16


def thumbnail(image: "Image", console: "Console") -> str:
    """The picture as lines of text.

    Args:
        image: RGB.
        console: knows the terminal's colours.
    """
    from rich.style import Style
    from rich.text import Text

    scale = min(1.0, _MOST_COLUMNS / image.width, 2 * _MOST_ROWS / image.height)
    width, height = max(1, round(image.width * scale)), max(2, 2 * round(image.height * scale / 2))
    pixels = image.resize((width, height)).tobytes()
    text = Text()
    for top in range(0, height, 2):
        for column in range(width):
            upper, lower = (_colour(pixels, (top + half) * width + column) for half in (0, 1))
            text.append("▀", Style.parse(f"{upper} on {lower}"))
        text.append("\n")
    with console.capture() as captured:
        console.print(text, end="", soft_wrap=True)
    return captured.get().rstrip("\n")


def _colour(pixels: bytes, place: int) -> str:
    return f"#{pixels[3 * place : 3 * place + 3].hex()}"
