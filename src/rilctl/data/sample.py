"""What every source of data becomes: a `Sample`, with images that are decoded when they are needed."""

import errno
import hashlib
import io
import os
import stat
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from rilctl.data.conversation import Conversation
from rilctl.data.decoding.open import decode, is_exact, is_turned, open_picture, shown_size
from rilctl.data.drawing import Drawn
from rilctl.data.once.stamps import Stamp, is_settled, stamp_of
from rilctl.errors import RilctlError, RowError
from rilctl.schemas.records import RejectedRecord

_WEB_FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_DIGEST = "_digest"
"""Where a reference keeps the digest of its first reading; it travels with it to other processes."""
_STAMP = "_stamp"
"""Where it keeps which file that was, if a later change of it can be told."""


class Found(NamedTuple):
    """What was found by reading a picture."""

    stamp: Stamp | None
    """Of its file; None where it isn't one, or where a change of it might not be told."""
    digest: str
    """See `ImageRef`."""
    size_px: tuple[int, int]
    """Width and height, as `ImageRef.size_px`."""


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

    @property
    def found(self) -> "Found | None":
        """What was found by reading it; None where it wasn't read, or for its digest alone."""
        kept = vars(self)
        if _DIGEST not in kept or "size_px" not in kept:
            return None
        return Found(kept.get(_STAMP), kept[_DIGEST], kept["size_px"])

    def take(self, found: "Found") -> None:
        """Take for read what an earlier reading of the same file has found; nothing where it is too large."""
        num_bytes = 0 if found.stamp is None else found.stamp.size
        if num_bytes <= self._most_bytes and found.size_px[0] * found.size_px[1] <= self.max_px:
            vars(self).update({_DIGEST: found.digest, "size_px": found.size_px})
            if found.stamp is not None:
                vars(self)[_STAMP] = found.stamp

    def check_header(self) -> None:
        """As `check`, but nobody knows the digest then: of a file no more is read than the header."""
        if not isinstance(self.origin, Path):
            self.check()
            return
        try:
            with self._opened(self.origin) as file:
                vars(self)["size_px"] = self._size(file)
        except OSError as error:
            raise self._missing(self.origin, error) from error

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
        image = open_picture(content, self.name, self.max_px)
        mime = _WEB_FORMATS.get(image.format or "")
        try:
            if mime is not None and not is_exact(image):
                mime = None
        except Exception as error:  # what counts frames raises anything on hostile bytes
            raise RowError("image-truncated", f"{self.name}: can't be decoded: {error}") from error
        pixels = decode(content, image, self.name)
        is_own = mime is not None and not is_turned(image) and not image.has_transparency_data
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

    def _size(self, content: bytes | BinaryIO) -> tuple[int, int]:
        with open_picture(content, self.name, self.max_px) as image:
            return shown_size(image)

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
            vars(self).pop(_STAMP, None)
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
            with self._opened(path) as file:
                before = stamp_of(os.fstat(file.fileno()))
                content = file.read()
                after = stamp_of(os.fstat(file.fileno()))
        except OSError as error:
            raise self._missing(path, error) from error
        if _DIGEST not in vars(self) and before == after and is_settled(after):
            vars(self)[_STAMP] = after
        return content

    def _opened(self, path: Path) -> BinaryIO:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise RowError("image-missing", f"{self.name}: `{path}` is not a file")
        self._limit(status.st_size)
        return path.open("rb")

    def _missing(self, path: Path, error: OSError) -> RowError:
        if isinstance(error, FileNotFoundError):
            return RowError("image-missing", f"{self.name}: there is no file `{path}`")
        reason = f"can't be read: {(error.strerror or str(error)).lower()}"
        is_path = error.errno != errno.ENAMETOOLONG  # a text of thousands of characters was hardly meant as one
        return RowError("image-missing", f"{self.name}: `{path}` {reason}" if is_path else f"{self.name} {reason}")

    @property
    def _most_bytes(self) -> int:
        return 8 * self.max_px + (1 << 20)  # uncompressed with 16 bits for each of four channels, and metadata

    def _limit(self, size_bytes: int) -> None:
        if size_bytes > self._most_bytes:
            raise RowError(
                "image-too-large", f"{self.name}: {size_bytes:,} bytes can't be an image of {self.max_px:,} px"
            )


def _digest(content: bytes | Image.Image) -> str:
    if isinstance(content, Image.Image):
        palette = bytes(content.getpalette() or ())
        content = f"{content.mode}{content.size}".encode() + content.tobytes() + palette
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Sample:
    """A question about pictures, and its ground truth.

    Args:
        id: unique within the data set.
        conversation: what is asked, without chat template or image placeholders.
        answer: the ground truth that the judge compares with; empty where there is none.
        response: what `sft` learns to say; the answer itself where the data has nothing longer, so perhaps empty.
    """

    id: str
    conversation: Conversation
    answer: str
    response: str

    @property
    def question(self) -> str:
        """See `Conversation`."""
        return self.conversation.question

    @property
    def images(self) -> tuple[ImageRef, ...]:
        """See `Conversation`."""
        return self.conversation.images

    @property
    def has_truth(self) -> bool:
        """Whether anybody knows what is right."""
        return bool(self.answer)


@dataclass(frozen=True)
class SampleSet:
    """The rows of one split after selection.

    Args:
        name: where they came from, for lineage.
        samples: the rows that are kept, in the source's order.
        rejected: bad rows, each with its reason; they make the exit code 3.
        left_out: rows that selection left out, counted by reason; not an error.
        digest: over ids, texts and image digests of the kept rows.
        num_shortened: rows that lost turns to `max_turns`, before selection.
        drawn: which rows of the source were read; None: all. Else there is no digest.
    """

    name: str
    samples: Sequence[Sample]
    rejected: tuple[RejectedRecord, ...]
    left_out: dict[str, int]
    digest: str
    num_shortened: int = 0
    drawn: Drawn | None = None
