"""From 16 bits for each channel to 8: which bits hold the picture.

Cameras and scanners of 10 or 12 bits write their numbers into 16 as they are, and the upper 8 bits of those are
black. What the file declares counts: a TIFF's `MaxSampleValue`, a PNG's `sBIT` (whose numbers are scaled to all 16
bits), the depth of a PGM or JPEG 2000 (Pillow scales those). Where it declares nothing, the brightest number decides:
the depth is the smallest of 8, 10, 12 and 16 bits that holds it. 14 bits are dark then, and so are night pictures.
"""

import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

_DEPTHS = (8, 10, 12, 16)
"""What is told from numbers alone."""
_MAX_SAMPLE_VALUE = 281
"""TIFF tag."""
_BRIGHT = 1 << 4
"""Of the upper 8 bits: from here on a picture has more than 12 bits."""
_COLOUR_MODES = ("RGB", "RGBA")
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""Pillow takes the upper byte of each number, in the order that a raw mode ends in; the other order gives the lower."""


def is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether a picture that isn't decoded yet has 16 bits for each channel."""
    return image.mode.startswith("I") or any(";16" in str(tile.args) for tile in image.tile)


def to_8_bits(image: Image.Image, depth: int | None, lower: Callable[[], Image.Image]) -> Image.Image:
    """What can be shown of a picture of 16 bits for each channel.

    Args:
        image: decoded: of grey all 16 bits, of colour the upper 8.
        depth: what the file declares, or None.
        lower: decodes the lower 8 bits of a picture in colour, turned as `image` is.

    Returns:
        Grey, RGB or RGBA.
    """
    if image.mode.startswith("I"):
        return Image.fromarray(_scaled(np.asarray(image).astype(np.uint16), depth))
    upper = np.asarray(image)
    is_plain = depth == 16 or (depth is None and upper[..., :3].max(initial=0) >= _BRIGHT)
    if is_plain or image.mode not in _COLOUR_MODES:
        return image
    numbers = upper.astype(np.uint16) << 8 | np.asarray(lower())
    channels = [_scaled(numbers[..., :3], depth)]
    if image.mode == "RGBA":
        channels.append(_scaled(numbers[..., 3:], depth))
    return Image.fromarray(np.concatenate(channels, axis=-1))


def swap_bytes(image: ImageFile.ImageFile) -> None:
    """Make a picture that isn't decoded yet give the lower byte of each number instead of the upper one."""
    tiles: list[Any] = []
    for tile in image.tile:
        raw, *others = (tile.args,) if isinstance(tile.args, str) else tile.args or ("",)
        if not raw.startswith(image.mode):
            raise ValueError(f"16 bits in the order {raw}")
        swapped = raw[:-1] + _OTHER_BYTE[raw[-1]]
        args = (swapped, *others) if others else swapped
        tiles.append(type(tile)(tile.codec_name, tile.extents, tile.offset, args))
    image.tile = tiles


def declared_depth(content: bytes, image: ImageFile.ImageFile) -> int | None:
    """Significant bits of each number as the file says it, or None."""
    if image.format in ("PPM", "JPEG2000") or (image.format == "PNG" and _has_sbit(content)):
        return _DEPTHS[-1]
    highest = image.getexif().get(_MAX_SAMPLE_VALUE) if image.format == "TIFF" else None
    highest = max(highest) if isinstance(highest, tuple) and highest else highest
    return min(max(highest.bit_length(), 8), 16) if isinstance(highest, int) and highest > 0 else None


def _has_sbit(content: bytes) -> bool:
    place = 8
    while len(head := content[place : place + 8]) == 8 and head[4:] != b"IDAT":
        if head[4:] == b"sBIT":
            return True
        place += 12 + int(struct.unpack(">I", head[:4])[0])
    return False


def _scaled(numbers: npt.NDArray[np.uint16], depth: int | None) -> npt.NDArray[np.uint8]:
    highest = int(numbers.max(initial=0))
    if depth is None or highest >= 1 << depth:  # some writers declare less than there is
        depth = _depth_of(highest)
    shown: npt.NDArray[np.uint8] = np.minimum(numbers >> (depth - 8), 255).astype(np.uint8)
    return shown


def _depth_of(highest: int) -> int:
    return next((depth for depth in _DEPTHS if highest < 1 << depth), _DEPTHS[-1])
