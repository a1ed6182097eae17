"""A picture as it travels: whoever decodes it sees the pixels that our image processor sees."""

import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from rilctl.data.pictures import Picture
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_model
from rilctl.quickstart.shapes import write_shape
from rilctl.testing.prompts import drawn_prompt

MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"),
    "BMP": ("1", "L", "P", "RGB"),
}
PLAIN = {("JPEG", "L"), ("JPEG", "RGB"), ("PNG", "1"), ("PNG", "L"), ("PNG", "P"), ("PNG", "RGB"), ("WEBP", "RGB")}
SIDES = st.integers(1, 90)
Draw = Callable[..., object]


@st.composite
def files(draw: Draw) -> tuple[bytes, bool]:
    """An encoded picture, and whether nothing about it is open to interpretation."""
    form = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[form]))
    width, height = draw(SIDES), draw(SIDES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    else:
        colours = "RGBA" if mode in ("RGBA", "LA") else "RGB"
        noise = Image.fromarray(rng.integers(0, 256, (height, width, len(colours)), dtype=np.uint8), colours)
        image = noise if mode == colours else as_lab(noise) if mode == "LAB" else noise.convert(mode)
    options: dict[str, object] = {}
    turn = draw(st.sampled_from([None, 1, 3, 6, 8]))
    if turn and form in ("JPEG", "PNG", "WEBP", "TIFF"):
        options["exif"] = exif(turn)
    in_xmp = draw(st.booleans()) and form == "PNG"
    if in_xmp:
        options["pnginfo"] = xmp_that_turns()
    has_hole = draw(st.booleans()) and (form, mode) in {("PNG", "P"), ("PNG", "L"), ("PNG", "RGB"), ("GIF", "P")}
    if has_hole:
        options["transparency"] = (1, 2, 3) if mode == "RGB" else 0
    is_animated = draw(st.booleans()) and form in ("PNG", "WEBP", "GIF") and mode == "RGB"
    if is_animated:
        options |= {"save_all": True, "append_images": [ImageOps.invert(image)]}
    turns = ("exif" in options and turn != 1) or (in_xmp and "exif" not in options)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    if mode == "YCbCr":
        assume(can_be_read(buffer.getvalue()))
    return buffer.getvalue(), (form, mode) in PLAIN and not (turns or has_hole or is_animated)


def can_be_read(content: bytes) -> bool:
    """Pillow 12.3 finds the TIFF files in YCbCr that it writes cut off; 13 reads them."""
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return False
    return True


def as_lab(image: Image.Image) -> Image.Image:
    return Image.merge("LAB", image.split())


def exif(turn: int) -> Image.Exif:
    found = Image.Exif()
    found[ExifTags.Base.Orientation] = turn
    return found


def xmp_that_turns() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    return info


@given(files())
@settings(deadline=None)
def test_every_reader_of_what_is_sent_sees_what_we_see(file: tuple[bytes, bool]) -> None:
    content, is_plain = file
    ref = ImageRef(content, "a picture")
    pixels, own = ref.load_with_bytes()
    assert pixels.mode == "RGB" and pixels.tobytes() == ref.load().tobytes()
    if is_plain:
        assert own is not None and own.content == content
    for sent in (Picture(pixels, own).encoded, ref.for_the_web()):
        image = Image.open(io.BytesIO(sent.content))
        assert sent.mime == Image.MIME[str(image.format)]
        for reader in (ImageOps.exif_transpose, lambda image: image):  # not everybody turns pictures
            assert (np.asarray(reader(image).convert("RGB")) == np.asarray(pixels)).all()


def test_16_bits_of_colour_are_not_left_to_readers() -> None:
    """Some cut, some round: 8 bits of 0x92ff are 0x92 or 0x93."""
    chunks = [b"IHDR" + bytes([0, 0, 0, 1, 0, 0, 0, 1, 16, 2, 0, 0, 0])]
    chunks += [b"IDAT" + zlib.compress(b"\0" + bytes([0x92, 0xFF] * 3)), b"IEND"]
    framed = [(len(c) - 4).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks]
    ref = ImageRef(b"\x89PNG\r\n\x1a\n" + b"".join(framed), "deep")
    pixels, own = ref.load_with_bytes()
    assert own is None and pixels.getpixel((0, 0)) == (0x92, 0x92, 0x92)


def test_a_picture_too_large_for_one_format_goes_in_another() -> None:
    pixels = Image.new("RGB", (16384, 2), "red")
    sent = Picture(pixels).encoded
    assert sent.mime == "image/png"
    assert Image.open(io.BytesIO(sent.content)).tobytes() == pixels.tobytes()


def test_other_pixels_have_another_name() -> None:
    red = Image.new("RGB", (4, 2), "red")
    named = [Picture(red), Picture(red.resize((2, 4))), Picture(Image.new("RGB", (4, 2), "blue"))]
    named.append(Picture(red, ImageRef(encoded(red), "red").load_with_bytes()[1]))
    assert len({picture.name for picture in named}) == 4
    assert Picture(red).name == Picture(red.copy()).name


def encoded(image: Image.Image, form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Of a model that takes pictures of 2 to 64 vision tokens."""
    directory = tmp_path_factory.mktemp("model")
    write_shape("pocket-student", directory)
    file = directory / "preprocessor_config.json"
    size = {"shortest_edge": 2 * 28 * 28, "longest_edge": 64 * 28 * 28}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"size": size}))
    source = find_model(str(directory), revision=None, base_dir=Path())
    encoder = Encoder(load_processor(source), source)
    return Reader(encoder, None, (), (), None)  # type: ignore[arg-type]


@given(form=st.sampled_from(["JPEG", "PNG", "GIF"]), width=SIDES, height=SIDES, fits=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_server_that_decodes_and_resizes_nothing_has_our_pixels(
    reader: Reader, form: str, width: int, height: int, fits: bool
) -> None:
    if fits:
        width, height = max(2, width // 28) * 28, 28
    rng = np.random.default_rng(width * height)
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    ref = ImageRef(encoded(image, form), "a picture")
    encoder = reader.encoder
    prompt = drawn_prompt(encoder, "what?", [ref.load()])
    (sent,) = reader.as_sent([ref], prompt)
    seen = Image.open(io.BytesIO(sent.encoded.content)).convert("RGB")
    ((_, rows, columns),) = prompt.features["image_grid_thw"].tolist()
    assert seen.size == (14 * columns, 14 * rows)
    theirs = drawn_prompt(encoder, "what?", [seen]).features
    assert all((theirs[name] == prompt.features[name]).all() for name in theirs)
    assert (sent.own is not None) == (form != "GIF" and seen.size == (width, height))
