"""Hostile data sets: nothing outside the image root is read, nothing is fetched, nothing explodes."""

import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rilctl.config.data import JsonlData
from rilctl.data.load import load_samples
from rilctl.data.sample import ImageRef
from rilctl.errors import DataError, RowError


def png(width: int, height: int, *, idat: bytes, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def test_a_small_header_over_a_zip_bomb_costs_what_the_header_says() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    data = png(8, 8, idat=bomb)
    assert len(data) < 100_000
    assert ImageRef(data, "row").load().size == (8, 8)


def test_a_zip_bomb_in_a_text_chunk_is_a_bad_row() -> None:
    body = b"comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    with pytest.raises(RowError, match="row"):
        ImageRef(png(8, 8, idat=zlib.compress(bytes(72)), extra=text), "row").load()


@pytest.mark.parametrize("size", [(0, 8), (2**31 - 1, 2**31 - 1), (10_000, 10_000), (2**31 - 1, 1)])
def test_absurd_headers(size: tuple[int, int]) -> None:
    with pytest.raises(RowError) as caught:
        ImageRef(png(*size, idat=zlib.compress(b"\0")), "row").check()
    assert caught.value.reason in ("image-too-large", "image-invalid")


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it finds odd
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_bytes_load_or_are_a_row_error(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"]))
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if format in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    Image.radial_gradient("L").resize((24, 24)).convert("RGB").save(buffer, format, **options)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    ref = ImageRef(bytes(content), "row", max_px=1_000_000)
    try:
        assert ref.load().mode == "RGB"
    except RowError as error:
        assert error.reason in ("image-invalid", "image-truncated", "image-too-large")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "images", "question", "answer"), JSON)) | JSON,
        min_size=1,
        max_size=4,
    )
)
def test_any_json_is_a_sample_or_a_bad_row(tmp_path: Path, rows: list[object]) -> None:
    good = {"id": "\0good", "images": "a.png", "question": "q", "answer": "a"}
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [good, *rows]), encoding="utf-8")
    loaded = load_samples(JsonlData(type="jsonl", path=str(path)), base_dir=tmp_path)
    assert loaded.samples[0].id == "\0good"
    assert len(loaded.samples) + len(loaded.rejected) == len(rows) + 1
    assert all(record.message and record.reason for record in loaded.rejected)


@pytest.mark.parametrize(
    "cell",
    [
        "../secret.png",
        "a/../../secret.png",
        "{outside}/secret.png",
        "file://{outside}/secret.png",
        "a\0.png",
        "x" * 5000,
    ],
)
def test_paths_stay_inside(tmp_path: Path, cell: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    row = {"images": cell.replace("{outside}", str(tmp_path)), "question": "q", "answer": "a"}
    path = root / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"image-(outside-root|remote|missing): 1"):
        load_samples(JsonlData(type="jsonl", path=str(path)), base_dir=root)
