"""From what a data set calls an image to an `ImageRef`: paths, base64, bytes, `{"bytes", "path"}`, lists of them."""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError

_BARE = re.compile(r"[A-Za-z0-9+/_-][A-Za-z0-9+/_\s-]{63,}[=\s]*")
"""Base64 without a URL around it; no path is so long without a dot."""
_STARTS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*|....ftypavi[fs]", re.DOTALL
)
"""First bytes of the formats that are read."""
_START_CHARS = 24
_SHOWN_CHARS = 120
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def as_cells(value: object) -> list[object]:
    """One image, a list of images or nothing, as a list. Empty text counts as nothing."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def to_image_ref(cell: object, *, name: str, roots: Sequence[Path], max_px: int) -> ImageRef:
    """Make a reference; nothing is read yet.

    Args:
        cell: a path, a `file:` URL, base64 with or without a data URL around it, encoded bytes, a dict that holds one
            of these, or a function that gives bytes.
        name: row and place, for messages.
        roots: folders that a path may lie in; a relative path starts from the first.
        max_px: see `ImageRef`.

    Raises:
        RowError: `image-missing`, `image-outside-root`, `image-remote`, `image-invalid` or `field-type`.
    """
    cell = unwrapped(cell)
    if not cell:
        raise RowError("image-missing", f"{name} is empty")
    if isinstance(cell, str):
        if is_inline(cell):
            return ImageRef(partial(decode_inline, cell, name), name, max_px)
        return ImageRef(_inside(cell, name, roots), f"{name}: {_short(cell)}", max_px)
    if isinstance(cell, bytes) or callable(cell):
        return ImageRef(cell, name, max_px)
    raise RowError("field-type", f"{name}: {type(cell).__name__} is no image")


def unwrapped(cell: object) -> object:
    """What a dict around an image holds: the hub's `bytes` and `path`, OpenAI's `url`, Anthropic's `source`."""
    if not isinstance(cell, Mapping):
        return cell
    if isinstance(source := cell.get("source"), Mapping):
        cell = source
    if "url" in cell:
        return cell["url"]
    if isinstance(cell.get("data"), str):
        return f"data:{cell.get('media_type', '')};base64,{cell['data']}"
    return (cell.get("bytes") or cell.get("path")) if cell.keys() & {"bytes", "path"} else cell


def is_inline(cell: object) -> bool:
    """Whether this is text that holds an image itself: a data URL, or the bare base64 of a picture."""
    if not isinstance(cell, str):
        return False
    if cell[:5].lower() == "data:":
        return True
    if not _BARE.fullmatch(cell):
        return False
    start = "".join(cell[: 4 * _START_CHARS].split())[:_START_CHARS]
    start = start[: len(start) // 4 * 4]  # whole groups, which always decode
    return _STARTS.match(base64.b64decode(_standard(start))) is not None


def decode_inline(text: str, name: str) -> bytes:
    """The bytes in a `data:…;base64,…` URL or in bare base64, wrapped or not. Raises `RowError`: `image-invalid`."""
    body = text
    if text[:5].lower() == "data:":
        head, comma, body = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise RowError("image-invalid", f"{name}: not a base64 data URL")
    try:
        return base64.b64decode(_standard("".join(body.split())), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RowError("image-invalid", f"{name}: damaged base64: {error}") from error


def _standard(body: str) -> str:
    """Base64 of the usual alphabet, with its padding."""
    body = body.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    return body + "=" * (-len(body) % 4)


def _inside(text: str, name: str, roots: Sequence[Path]) -> Path:
    """The path, if its text stays inside a root. Symbolic links were put there by the owner and are followed."""
    shown = _short(text)
    text = _local(text, name)
    try:
        if b"\0" in os.fsencode(text):
            raise RowError("image-missing", f"{name}: the path holds a null character")
    except UnicodeEncodeError as error:
        raise RowError("image-missing", f"{name}: the path is not valid Unicode") from error
    if not roots:
        raise RowError("image-missing", f"{name}: {shown} is a path, and this source holds no files")
    path = Path(os.path.normpath(roots[0] / text))
    if "\\" in text and not os.path.lexists(path):  # written on Windows
        if _DRIVE.match(text):
            raise RowError("image-outside-root", f"{name}: {shown} is a path of another machine")
        path = Path(os.path.normpath(roots[0] / text.replace("\\", "/")))
    if not any(path.is_relative_to(root) for root in roots):
        raise RowError("image-outside-root", f"{name}: {shown} is outside {roots[0]}; image_root says where images are")
    return path


def _local(text: str, name: str) -> str:
    """The path in a `file:` URL of this machine, or the text itself."""
    if text[:5].lower() == "file:":
        try:
            url = urlsplit(text)
        except ValueError as error:
            raise RowError("image-missing", f"{name}: {_short(text)} is no URL: {error}") from error
        if url.netloc.lower() not in ("", "localhost"):
            raise RowError("image-remote", f"{name}: {_short(text)} names another machine; copy its files here")
        return unquote(url.path)
    if "://" in text:
        raise RowError("image-remote", f"{name}: {_short(text)} is not fetched; download the images first")
    return text


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS // 2]}… ({len(text):,} characters)"
