"""Opening the bytes of a picture, its size as it is shown, and its pixels in RGB."""

import io
import threading
from functools import partial
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from rilctl.data.decoding.depth import declared_depth, is_deep, swap_bytes, to_8_bits
from rilctl.data.decoding.no_picture import what_it_is
from rilctl.errors import RowError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""What is decoded (MPO is a JPEG to Pillow). Pillow knows more, and some of it runs other programs (EPS starts
Ghostscript)."""

_EXACT_MODES = ("1", "L", "P", "RGB")
"""Pillow's modes that have one meaning in RGB; of alpha and CMYK, readers have views of their own."""
_OPENING = threading.Lock()


def open_picture(content: bytes | BinaryIO, name: str, max_px: int) -> ImageFile.ImageFile:
    """Read a picture's header.

    Args:
        content: the encoded bytes, or a file that has them.
        name: for messages.
        max_px: more are refused.

    Raises:
        RowError: `image-invalid` or `image-too-large`.
    """
    with _OPENING:  # Pillow's limit is global; ours below has the row's name in it
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS)
        except UnidentifiedImageError as error:
            raise RowError("image-invalid", f"{name}: {what_it_is(_whole(content))}") from error
        except Exception as error:  # see `decode`
            raise RowError("image-invalid", f"{name}: header can't be read: {error}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    if image.width * image.height > max_px:
        raise RowError("image-too-large", f"{name}: {image.width} x {image.height} px is over max_image_px = {max_px}")
    if image.mode in ("I", "F") and image.format != "PPM":  # of which Pillow makes 16 bits
        raise RowError("image-invalid", f"{name}: 32-bit grey has no agreed white; save it with 8 or 16 bits")
    return image


def shown_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Width and height of a picture that isn't decoded yet, turned as its EXIF says."""
    try:
        is_turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except Exception:  # readers of EXIF raise anything on hostile bytes; `decode` says so
        is_turned = False
    if image.format == "TIFF":  # Pillow turns it by itself, size and pixels
        is_turned = False
    return (image.height, image.width) if is_turned else (image.width, image.height)


def decode(content: bytes, image: ImageFile.ImageFile, name: str) -> Image.Image:
    """The pixels: RGB, on white, turned as its EXIF says.

    Args:
        content: the encoded bytes.
        image: opened from them.
        name: for messages.

    Raises:
        RowError: `image-truncated` or `image-invalid`.
    """
    is_16_bit = is_deep(image)
    try:
        image.load()
    except Exception as error:  # decoders raise anything on hostile bytes: struct.error, IndexError, MemoryError
        raise RowError("image-truncated", f"{name}: can't be decoded: {error}") from error
    try:
        upright = ImageOps.exif_transpose(image)
        if is_16_bit:
            upright = to_8_bits(upright, declared_depth(content, image), partial(_lower, content))
        return _to_rgb(upright)
    except Exception as error:  # so does the EXIF reader, and so do conversions of rare modes
        raise RowError("image-invalid", f"{name}: can't be made RGB: {error}") from error


def is_exact(image: ImageFile.ImageFile) -> bool:
    """Whether a picture that isn't decoded yet has one frame and 8 bits or fewer, in a mode of one meaning."""
    # of 16 bits for each channel readers keep 8, rounded or cut
    return image.mode in _EXACT_MODES and not is_deep(image) and getattr(image, "n_frames", 1) == 1


def is_turned(image: Image.Image) -> bool:
    """Whether EXIF says to show it otherwise than it is stored, or says nothing that can be read."""
    try:
        return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except Exception:  # hostile EXIF raises anything
        return True


def _whole(content: bytes | BinaryIO) -> bytes:
    if isinstance(content, bytes):
        return content
    content.seek(0)
    return content.read()


def _lower(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        swap_bytes(image)
        return ImageOps.exif_transpose(image)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:  # dropping alpha would show black ink on black
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    return image.convert("RGB")
