"""A picture in the terminal, for commands that print it once."""

from typing import TYPE_CHECKING

from rilctl.views.watch.half_blocks import half_blocks

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
    with console.capture() as captured:
        console.print(half_blocks(image, _MOST_COLUMNS, _MOST_ROWS), end="", soft_wrap=True)
    return captured.get().rstrip("\n")
