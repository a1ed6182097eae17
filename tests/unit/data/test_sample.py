import copy
import hashlib
import io
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError

from .helpers import png


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def reason(action: object) -> str:
    with pytest.raises(RowError) as caught:
        action()  # type: ignore[operator]
    assert caught.value.message.startswith("here")
    return caught.value.reason


def test_exif_turns_the_picture() -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 10, 20))  # black on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise: left becomes top
    turned = ImageRef(encoded(image, "JPEG", exif=exif, quality=95), "here").load()
    assert turned.size == (20, 40)
    assert np.asarray(turned)[2].mean() < 20 < 230 < np.asarray(turned)[-2].mean()


def test_cmyk_becomes_rgb() -> None:
    loaded = ImageRef(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95), "here").load()
    red, green, blue = loaded.getpixel((4, 4))
    assert red > 200 and green < 60 and blue < 60


def test_16_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    loaded = np.asarray(ImageRef(encoded(Image.fromarray(ramp), "PNG"), "here").load())
    assert loaded.shape == (8, 8, 3)
    assert (loaded[..., 0] == ramp >> 8).all()


def test_transparent_parts_become_white() -> None:
    ink = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    ink.putpixel((3, 3), (0, 0, 0, 255))
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.putpixel((3, 3), 1)
    for data in (encoded(ink, "PNG"), encoded(palette, "PNG", transparency=0), encoded(palette, "GIF", transparency=0)):
        loaded = ImageRef(data, "here").load()
        assert loaded.getpixel((0, 0)) == (255, 255, 255)
        assert loaded.getpixel((3, 3)) in ((0, 0, 0), (255, 0, 0))


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert ImageRef(data, "here").load().getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    assert ImageRef(encoded(Image.new(mode, (3, 2)), "PNG"), "here").load().mode == "RGB"


def test_32_bit_grey_is_refused_at_the_header() -> None:
    for mode in ("I", "F"):
        assert reason(ImageRef(encoded(Image.new(mode, (3, 2)), "TIFF"), "here").check) == "image-invalid"


def test_truncated_at_any_place_is_a_row_error_or_loads_whole() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = encoded(noise, format)
        reasons = {reason(ImageRef(whole[:size], "here").load) for size in range(1, len(whole) // 2, 97)}
        assert reasons <= {"image-truncated", "image-invalid"}
    half = encoded(noise, "JPEG")
    ref = ImageRef(half[: len(half) // 2], "here")
    ref.check()  # its header is fine
    assert reason(ref.load) == "image-truncated"


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(recwarn: pytest.WarningsRecorder) -> None:
    data = encoded(Image.new("1", (10_000, 10_000)), "PNG")
    assert len(data) < 100_000
    assert reason(ImageRef(data, "here").check) == "image-too-large"
    assert reason(ImageRef(data, "here").load) == "image-too-large"
    ImageRef(data, "here", max_px=100_000_000).check()  # our limit counts, not Pillow's
    assert not recwarn.list
    assert Image.MAX_IMAGE_PIXELS


def test_not_an_image() -> None:
    for data in (b"", b"hello", b"<svg></svg>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"):
        assert reason(ImageRef(data, "here").check) == "image-invalid"


def test_missing_and_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("none.png", "pipe", "."):
        assert reason(ImageRef(tmp_path / name, "here").check) == "image-missing"


def test_a_file_that_is_too_big_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert reason(ImageRef(path, "here").check) == "image-too-large"


def test_digest_is_over_the_encoded_bytes_and_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    ref = ImageRef(path, "here")
    ref.check()
    path.unlink()
    assert ref.digest == hashlib.sha256(png()).hexdigest() == ImageRef(png(), "elsewhere").digest
    assert reason(ref.load) == "image-missing"


def test_drawn_pictures_are_told_apart_by_their_pixels() -> None:
    refs = [ImageRef(lambda color=color: Image.new("L", (4, 4), color), "here") for color in (0, 0, 1)]
    assert refs[0].digest == refs[1].digest != refs[2].digest
    assert refs[0].load().mode == "RGB"


def test_threads_leave_pillows_limit_alone() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    data = png()
    threads = [threading.Thread(target=lambda: [ImageRef(data, "here").check() for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS is not None


READERS = {
    "load": ImageRef.load,
    "load_with_bytes": ImageRef.load_with_bytes,
    "for_the_web": ImageRef.for_the_web,
    "fetched": lambda ref: ref.fetched().load(),
    "check": ImageRef.check,
    "size_px": lambda ref: ref.size_px,
    "a copy": lambda ref: copy.deepcopy(ref.fetched()).load(),
}


@pytest.mark.parametrize("use", READERS.values(), ids=READERS)
def test_a_file_that_is_replaced_after_its_digest_was_taken_is_no_longer_that_picture(
    use: Callable[[ImageRef], object], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png("red"))
    ref = ImageRef(path, "here")
    digest = ref.digest
    path.write_bytes(png("blue"))
    assert reason(lambda: use(ref)) == "image-changed"
    path.write_bytes(png("red"))
    use(ref)
    assert ref.digest == digest


@pytest.mark.parametrize(
    "first", [ImageRef.load, ImageRef.check, lambda ref: ref.size_px], ids=["load", "check", "size"]
)
def test_what_was_seen_first_counts_and_not_what_is_there_when_the_digest_is_asked_for(
    first: Callable[[ImageRef], object], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png("red"))
    ref = ImageRef(path, "here")
    first(ref)
    path.write_bytes(png("blue"))
    assert ref.digest == ImageRef(png("red"), "there").digest


def test_so_are_bytes_that_are_fetched_again_and_drawn_pictures() -> None:
    for before, after in (
        (png("red"), png("blue")),
        (Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")),
    ):
        given = [before]
        ref = ImageRef(lambda given=given: given[0], "here")
        _ = ref.digest
        fetched = ref.fetched()
        given[0] = after
        assert reason(ref.load) == "image-changed"
        assert fetched.load().getpixel((0, 0)) == (255, 0, 0)
        assert fetched.digest == ref.digest


def test_a_source_that_gives_nothing_any_more_is_a_bad_row() -> None:
    given = {"image": png()}
    ref = ImageRef(lambda: given["image"], "here")
    ref.check()
    del given["image"]
    assert reason(ref.load) == "image-missing"


def test_palettes_tell_drawn_pictures_apart_and_travel() -> None:
    refs = []
    for red in (10, 20):
        image = Image.new("P", (4, 4), 1)
        image.putpalette([0, 0, 0, red, 0, 0])
        refs.append(ImageRef(lambda image=image: image, "here"))
    assert refs[0].digest != refs[1].digest
    for ref in refs:
        sent = copy.deepcopy(ref.fetched())
        assert sent.load().getpixel((0, 0)) == ref.load().getpixel((0, 0))


@pytest.mark.filterwarnings("ignore:Tag data larger than file")  # Pillow's, of what stands where a frame should
@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow 12's, of the same
def test_a_tiff_whose_frames_cannot_be_counted_shows_its_first() -> None:
    picture, buffer = Image.radial_gradient("L").resize((24, 20)).convert("RGB"), io.BytesIO()
    picture.save(buffer, "TIFF", save_all=True, append_images=[picture])
    content = bytearray(buffer.getvalue())
    (first,) = struct.unpack_from("<I", content, 4)
    (num_tags,) = struct.unpack_from("<H", content, first)
    struct.pack_into("<I", content, first + 2 + 12 * num_tags, 2)  # the second frame is said to be in the header
    with Image.open(io.BytesIO(content)) as image, pytest.raises(TypeError):
        _ = image.n_frames
    pixels, own = ImageRef(bytes(content), "row 1").load_with_bytes()
    assert pixels.tobytes() == picture.tobytes() and own is None


@pytest.mark.parametrize("content", [png(), b"", b"<html>", png()[:20], None])
def test_a_header_says_what_the_whole_file_says(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    said: list[object] = []
    for check in (ImageRef.check, ImageRef.check_header):
        image = ImageRef(path, "a.png")
        try:
            check(image)
            said.append(image.size_px)
        except RowError as error:
            said.append((error.reason, error.message))
    assert said[0] == said[1]


def test_of_a_header_no_more_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png() + bytes(1 << 20))
    image = ImageRef(path, "a.png")
    image.check_header()
    path.unlink()
    assert image.size_px == (8, 6)
    with pytest.raises(RowError, match=r"a\.png: there is no file `.*a\.png`"):
        image.digest  # noqa: B018 - it reads
