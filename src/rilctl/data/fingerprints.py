"""When two rows are the same for a person: a perceptual hash of the picture, and a text without its dress."""

import functools
import re
import unicodedata

import numpy as np
from PIL import Image

HASH_SIDE = 8
"""The hash keeps 8 x 8 frequencies: 64 bits."""
_SIDE_PX = 32


def image_hash(image: Image.Image) -> int:
    """64-bit perceptual hash (pHash): signs of the picture's low frequencies against their median.

    Near for scaled, re-encoded and slightly cropped or brightened pictures. Unlike difference hashes it doesn't take
    all pages with much white for one.

    Args:
        image: RGB.
    """
    grey = np.asarray(image.convert("L").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS), dtype=np.float64)
    basis = _cosines()
    low = (basis @ grey @ basis.T).round(3).flatten()  # rounded: sums may differ in their last bits between machines
    bits = low > np.median(low[1:])  # without the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes())


@functools.cache
def _cosines() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """First rows of the discrete cosine transform (type II), 8 x 32."""
    frequency, place = np.arange(HASH_SIDE)[:, None], np.arange(_SIDE_PX)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE_PX))


def normal_text(text: str) -> str:
    """Case folded, Unicode forms unified, runs of space and the punctuation around words removed.

    Signs that carry meaning (`+`, `-`, `<`, `%`, …) stay: `2 + 3` and `2 - 3` are two questions.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[.,;:!?\"'`()\[\]{}]+(?=\s|$)|(?<!\S)[\"'`(\[{]+", " ", folded).split())
