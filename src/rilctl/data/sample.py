"""What every source of data becomes: a `Sample`, with images that are decoded when they are needed."""

import hashlib
import io
import stat
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from rilctl.errors import RilctlError, RowError
from rilctl.schemas.records import RejectedRecord

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "MPO")
"""What is decoded. Pillow knows more, and some of it runs other programs (EPS starts Ghostscript)."""

_WEB_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_EXACT_MODES = ("1", "L", "P", "RGB")
"""Pillow's modes that have one meaning in RGB; of alpha and CMYK, readers have views of their own."""
_OPENING = threading.Lock()
_DIGEST = "_digest"
"""Where a reference keeps the digest of its first reading; it travels with it to other processes."""


@dataclass(frozen=True)
class Encoded:
    """A picture as bytes of a format that servers read."""

    mime: str
    content: bytes

    @property
    def data_url(self) -> str:
        """The bytes in a URL."""
        return f"data:{self.mime};base64,{b64encode(self.content).decode()}"


@dataclass(frozen=True)
class ImageRef:
    """One picture, not yet decoded. Neither its bytes nor its pixels are kept after use.

    Args:
        origin: a file, the bytes of an encoded image, or a function that fetches such bytes or draws the picture.
        name: how a person finds it again: a path, or the row and place.
        max_px: images with more pixels are refused before they are decoded.
    """

    origin: Path | bytes | Callable[[], bytes | Image.Image] = field(repr=False)
    name: str
    max_px: int = 64_000_000

    @property
    def digest(self) -> str:
        """sha256 of the encoded bytes; of mode, size, pixels and palette for drawn pictures. Raises `RowError`.

        It is that of the first reading. Every later one is compared with it: answers, rows and the call cache know a
        picture by its digest, so nobody may be shown another.
        """
        if _DIGEST not in vars(self):
            self._content()
        digest: str = vars(self)[_DIGEST]
        return digest

    @cached_property
    def size_px(self) -> tuple[int, int]:
        """Width and height, turned as its EXIF says; reads the header only. Raises `RowError`."""
        content = self._content()
        return content.size if isinstance(content, Image.Image) else self._size(content)

    def check(self) -> None:
        """Look at the header only. Raises `RowError` where the file is missing, changed, no image, or too large."""
        content = self._content()
        if isinstance(content, bytes):  # now, so that the file is read once
            vars(self)["size_px"] = self._size(content)

    def load(self) -> Image.Image:
        """The decoded picture (of an animation the first frame): RGB, on white, turned as its EXIF says.

        Raises:
            RowError: `image-missing`, `image-changed`, `image-invalid`, `image-too-large` or `image-truncated`.
        """
        return self.load_with_bytes()[0]

    def load_with_bytes(self) -> tuple[Image.Image, Encoded | None]:
        """What `load` gives, and the bytes that it came in where every reader sees the same in them.

        They do in a JPEG, PNG or WebP of one frame, upright, opaque, in a colour mode without conventions, of 8 bits.
        """
        content = self._content()
        if isinstance(content, Image.Image):
            return content.convert("RGB"), None
        image = self._open(content)
        mime = _WEB_FORMATS.get(image.format or "")
        try:
            if mime is not None and not _is_exact(image):
                mime = None
            image.load()
        except Exception as error:  # decoders raise anything on hostile bytes: struct.error, IndexError, MemoryError
            raise RowError("image-truncated", f"{self.name}: can't be decoded: {error}") from error
        try:
            pixels = _to_rgb(ImageOps.exif_transpose(image))
        except Exception as error:  # so does the EXIF reader, and so do conversions of rare modes
            raise RowError("image-invalid", f"{self.name}: can't be made RGB: {error}") from error
        is_own = mime is not None and not _is_turned(image) and not image.has_transparency_data
        return pixels, Encoded(mime, content) if mime and is_own else None

    def for_the_web(self) -> Encoded:
        """Bytes in which every reader sees what `load` gives: its own if they do, else a PNG. Raises as `load` does."""
        pixels, own = self.load_with_bytes()
        if own is not None:
            return own
        buffer = io.BytesIO()
        pixels.save(buffer, "PNG")
        return Encoded("image/png", buffer.getvalue())

    def fetched(self) -> "ImageRef":
        """The same picture without a function, which may hold a whole table: what can go to another process.

        Raises:
            RowError: as `load` does.
        """
        if isinstance(self.origin, Path | bytes):
            return self
        content = self._content()
        kept = replace(self, origin=content if isinstance(content, bytes) else content.copy().copy)
        vars(kept)[_DIGEST] = self.digest
        return kept

    def _size(self, content: bytes) -> tuple[int, int]:
        with self._open(content) as image:
            try:
                is_turned = image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            except Exception:  # readers of EXIF raise anything on hostile bytes; `load` says so
                is_turned = False
            return (image.height, image.width) if is_turned else (image.width, image.height)

    def _content(self) -> bytes | Image.Image:
        """What every use of the picture begins with: the same as at the first reading, or `image-changed`."""
        if isinstance(self.origin, bytes) and _DIGEST in vars(self):
            return self.origin
        content = self._fetch()
        if isinstance(content, bytes):
            self._limit(len(content))
        found = _digest(content)
        first = vars(self).setdefault(_DIGEST, found)
        if found != first:
            was = f"it was sha256 {first[:12]}… and is {found[:12]}…"
            raise RowError("image-changed", f"{self.name}: replaced since it was first read: {was}")
        return content

    def _fetch(self) -> bytes | Image.Image:
        if isinstance(self.origin, bytes):
            return self.origin
        if isinstance(self.origin, Path):
            return self._read(self.origin)
        try:
            return self.origin()
        except (RowError, RilctlError):
            raise
        except Exception as error:  # readers raise anything where another file took the place of theirs
            reason = f"{type(error).__name__}: {error}"
            raise RowError("image-missing", f"{self.name}: can't be read any more: {reason}") from error

    def _read(self, path: Path) -> bytes:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
                raise RowError("image-missing", f"{self.name}: not a file")
            self._limit(status.st_size)
            return path.read_bytes()
        except OSError as error:
            raise RowError("image-missing", f"{self.name}: {error.strerror or error}") from error

    def _limit(self, size_bytes: int) -> None:
        most = 8 * self.max_px + (1 << 20)  # uncompressed with 16 bits for each of four channels, and metadata
        if size_bytes > most:
            raise RowError(
                "image-too-large", f"{self.name}: {size_bytes:,} bytes can't be an image of {self.max_px:,} px"
            )

    def _open(self, content: bytes) -> ImageFile.ImageFile:
        with _OPENING:  # Pillow's limit is global; ours below has the row's name in it
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(io.BytesIO(content), formats=FORMATS)
            except UnidentifiedImageError as error:
                raise RowError("image-invalid", f"{self.name}: not an image of a known format") from error
            except Exception as error:  # see `load`
                raise RowError("image-invalid", f"{self.name}: header can't be read: {error}") from error
            finally:
                Image.MAX_IMAGE_PIXELS = limit
        if image.width * image.height > self.max_px:
            size = f"{image.width} x {image.height}"
            raise RowError("image-too-large", f"{self.name}: {size} px is over max_image_px = {self.max_px}")
        if image.mode in ("I", "F"):
            raise RowError("image-invalid", f"{self.name}: 32-bit grey has no agreed white; save it with 8 or 16 bits")
        return image


def _digest(content: bytes | Image.Image) -> str:
    if isinstance(content, Image.Image):
        palette = bytes(content.getpalette() or ())
        content = f"{content.mode}{content.size}".encode() + content.tobytes() + palette
    return hashlib.sha256(content).hexdigest()


def _is_exact(image: ImageFile.ImageFile) -> bool:
    """Whether a picture that isn't decoded yet has one frame and 8 bits or fewer, in a mode of one meaning."""
    is_deep = any("16" in str(tile.args) for tile in image.tile)  # of a PNG's 16 bits readers keep 8, rounded or cut
    return image.mode in _EXACT_MODES and not is_deep and getattr(image, "n_frames", 1) == 1


def _is_turned(image: Image.Image) -> bool:
    """Whether EXIF says to show it otherwise than it is stored, or says nothing that can be read."""
    try:
        return bool(image.getexif().get(ExifTags.Base.Orientation, 1) != 1)
    except Exception:  # hostile EXIF raises anything
        return True


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip it to white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:  # dropping alpha would show black ink on black
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    return image.convert("RGB")


@dataclass(frozen=True)
class Sample:
    """A question about pictures, and its ground truth.

    Args:
        id: unique within the data set.
        images: in the order in which the prompt shows them; may be empty.
        question: text only, without chat template or image placeholders.
        answer: the ground truth that the judge compares with.
        response: what `sft` learns to say; the answer itself where the data has nothing longer.
    """

    id: str
    images: tuple[ImageRef, ...]
    question: str
    answer: str
    response: str


@dataclass(frozen=True)
class SampleSet:
    """The rows of one split after selection.

    Args:
        name: where they came from, for lineage.
        samples: the rows that are kept, in the source's order.
        rejected: bad rows, each with its reason; they make the exit code 3.
        left_out: rows that selection left out, counted by reason; not an error.
        digest: over ids, texts and image digests of the kept rows.
    """

    name: str
    samples: tuple[Sample, ...]
    rejected: tuple[RejectedRecord, ...]
    left_out: dict[str, int]
    digest: str
