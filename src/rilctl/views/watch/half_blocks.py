"""A picture in characters: two pixels in each, the upper one in the ink's colour, the lower in the paper's."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.text import Text


def half_blocks(image: "Image", most_columns: int, most_rows: int) -> "Text":
    """The picture as lines of text, smaller where it has to be.

    Args:
        image: RGB.
        most_columns: so wide it may be.
        most_rows: so high, in lines.
    """
    from rich.style import Style
    from rich.text import Text

    width, rows = cells(image, most_columns, most_rows)
    height = 2 * rows
    pixels = image.resize((width, height)).tobytes()
    text = Text(no_wrap=True, end="")
    for top in range(0, height, 2):
        if top:
            text.append("\n")
        for column in range(width):
            upper, lower = (_colour(pixels, (top + half) * width + column) for half in (0, 1))
            text.append("▀", Style.parse(f"{upper} on {lower}"))
    return text


def cells(image: "Image", most_columns: int, most_rows: int) -> tuple[int, int]:
    """Columns and lines that the picture takes, a character being twice as high as wide; never more than its pixels."""
    scale = min(1.0, most_columns / image.width, 2 * most_rows / image.height)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale / 2))


def _colour(pixels: bytes, place: int) -> str:
    return f"#{pixels[3 * place : 3 * place + 3].hex()}"
