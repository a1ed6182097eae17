"""What Pillow's readers and ours must agree on, where a file says unusual things about itself."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError

NO_PICTURES = {
    b"": "the file is empty",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "a Git LFS pointer",
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>": "a web page (HTML)",
    b"\n<HTML>\n<body>404</body></HTML>": "a web page (HTML)",
    b'<?xml version="1.0"?>\n<!-- a licence -->\n<svg xmlns="http://www.w3.org/2000/svg"></svg>': "an SVG",
    b"%PDF-1.7\n": "a PDF",
    b"\0\0\0\x18ftypheic\0\0\0\0": "a HEIC picture",
    b"%!PS-Adobe-3.0 EPSF-3.0\n": "PostScript",
    b"hello": "not an image of a known format",
}


@pytest.mark.parametrize(("content", "what"), NO_PICTURES.items(), ids=NO_PICTURES.values())
def test_a_file_that_is_no_picture_is_named_as_what_it_is(content: bytes, what: str) -> None:
    with pytest.raises(RowError) as caught:
        ImageRef(content, "here").check()
    assert caught.value.reason == "image-invalid"
    assert caught.value.message.startswith(f"here: {what}")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of_16_bits(numbers: npt.NDArray[np.uint16], *more: bytes) -> bytes:
    """Grey, RGB or RGBA, by the array's last axis; Pillow writes only grey."""
    height, width, num_channels = numbers.shape
    kind = {1: 0, 3: 2, 4: 6}[num_channels]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in numbers)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + pixels + chunk(b"IEND", b"")


def ramp(depth: int, num_channels: int = 1) -> npt.NDArray[np.uint16]:
    """From black to the brightest number of a depth, another in each channel."""
    steps = np.linspace(0, (1 << depth) - 1, 64).astype(np.uint16).reshape(8, 8)
    return np.stack([steps, steps[::-1], steps.T][:num_channels], axis=-1)


def shown(content: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(ImageRef(content, "here").load())


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_fewer_bits_in_16_keep_their_brightness(depth: int, num_channels: int) -> None:
    numbers = ramp(depth, num_channels)
    assert (shown(png_of_16_bits(numbers)) == np.broadcast_to(numbers >> (depth - 8), (8, 8, 3))).all()


def test_alpha_of_16_bits_has_a_depth_of_its_own() -> None:
    numbers = np.concatenate([ramp(12, 3), np.full((8, 8, 1), 65535, np.uint16)], axis=-1)
    assert (shown(png_of_16_bits(numbers)) == numbers[..., :3] >> 4).all()


def test_a_dark_picture_whose_file_says_16_bits_stays_dark() -> None:
    numbers = ramp(12)
    declared = chunk(b"sBIT", b"\x0c")  # of a PNG: they were 12, and are scaled to all 16
    assert (shown(png_of_16_bits(numbers, declared))[..., 0] == numbers[..., 0] >> 8).all()
    buffer = io.BytesIO()
    Image.fromarray(numbers[..., 0]).save(buffer, "TIFF", tiffinfo={281: 65535})
    assert (shown(buffer.getvalue())[..., 0] == numbers[..., 0] >> 8).all()


@pytest.mark.parametrize(
    ("highest", "brightest", "compression"),
    [(None, 4095, None), (None, 4095, "tiff_lzw"), (4095, 500, None), (1, 4095, None)],
)
def test_a_tiff_of_12_bits(highest: int | None, brightest: int, compression: str | None) -> None:
    numbers = np.minimum(ramp(12)[..., 0], brightest)  # a dark one says what white is; what can't be true doesn't count
    buffer = io.BytesIO()
    info = {281: highest} if highest else {}
    Image.fromarray(numbers).save(buffer, "TIFF", tiffinfo=info, compression=compression)
    assert (shown(buffer.getvalue())[..., 0] == numbers >> 4).all()


def test_a_tiff_may_declare_a_depth_that_numbers_alone_do_not_tell() -> None:
    buffer = io.BytesIO()
    Image.fromarray(ramp(14)[..., 0]).save(buffer, "TIFF", tiffinfo={281: 16383})
    assert (shown(buffer.getvalue())[..., 0] == ramp(14)[..., 0] >> 6).all()
    assert (shown(png_of_16_bits(ramp(14)))[..., 0] == ramp(14)[..., 0] >> 8).all()


def test_portable_maps_scale_to_the_maximum_that_they_name() -> None:
    numbers = ramp(12)
    grey = b"P5 8 8 4095\n" + numbers.astype(">u2").tobytes()
    assert abs(shown(grey)[..., 0].astype(int) - (numbers[..., 0] >> 4)).max() <= 1
    colour = b"P6 8 8 4095\n" + ramp(12, 3).astype(">u2").tobytes()
    assert abs(shown(colour).astype(int) - (ramp(12, 3) >> 4)).max() <= 1


def test_a_jpeg_2000_of_16_bits_is_scaled_as_it_says() -> None:
    buffer = io.BytesIO()
    Image.fromarray(ramp(16)[..., 0]).save(buffer, "JPEG2000", irreversible=False)
    assert (shown(buffer.getvalue())[..., 0] == ramp(16)[..., 0] >> 8).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["TIFF", "JPEG", "PNG", "WEBP"])
def test_the_size_is_that_of_the_picture_as_it_is_shown(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), "white").save(buffer, format, exif=exif)
    ref = ImageRef(buffer.getvalue(), "here")
    assert ref.size_px == ref.load().size == ((20, 40) if orientation >= 5 else (40, 20))
