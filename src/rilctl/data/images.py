"""From what a data set calls an image to an `ImageRef`: paths, data URLs, bytes, `{"bytes", "path"}`, lists of them."""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError


def as_cells(value: object) -> list[object]:
    """One image, a list of images or nothing, as a list. Empty text counts as nothing."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def to_image_ref(cell: object, *, name: str, roots: Sequence[Path], max_px: int) -> ImageRef:
    """Make a reference; nothing is read yet.

    Args:
        cell: a path, a data URL, encoded bytes, a dict with `bytes` or `path`, or a function that gives bytes.
        name: row and place, for messages.
        roots: folders that a path may lie in; a relative path starts from the first.
        max_px: see `ImageRef`.

    Raises:
        RowError: `image-missing`, `image-outside-root`, `image-remote`, `image-invalid` or `field-type`.
    """
    if isinstance(cell, Mapping) and cell.keys() & {"bytes", "path"}:
        cell = cell.get("bytes") or cell.get("path")
    if not cell:
        raise RowError("image-missing", f"{name} is empty")
    if isinstance(cell, str):
        if is_data_url(cell):
            return ImageRef(partial(decode_data_url, cell, name), name, max_px)
        return ImageRef(_inside(cell, name, roots), f"{name}: {cell}", max_px)
    if isinstance(cell, bytes) or callable(cell):
        return ImageRef(cell, name, max_px)
    raise RowError("field-type", f"{name}: {type(cell).__name__} is no image")


def is_data_url(cell: object) -> bool:
    """Whether this is text that holds an image itself."""
    return isinstance(cell, str) and cell[:5].lower() == "data:"


def decode_data_url(url: str, name: str) -> bytes:
    """The bytes in a `data:…;base64,…` URL. Raises `RowError`: `image-invalid`."""
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise RowError("image-invalid", f"{name}: not a base64 data URL")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RowError("image-invalid", f"{name}: damaged base64: {error}") from error


def _inside(text: str, name: str, roots: Sequence[Path]) -> Path:
    """The path, if its text stays inside a root. Symbolic links were put there by the owner and are followed."""
    if "://" in text:
        raise RowError("image-remote", f"{name}: {text} is not fetched; download the images first")
    try:
        if b"\0" in os.fsencode(text):
            raise RowError("image-missing", f"{name}: the path holds a null character")
    except UnicodeEncodeError as error:
        raise RowError("image-missing", f"{name}: the path is not valid Unicode") from error
    if not roots:
        raise RowError("image-missing", f"{name}: {text} is a path, and this source holds no files")
    path = Path(os.path.normpath(roots[0] / text))
    if not any(path.is_relative_to(root) for root in roots):
        raise RowError("image-outside-root", f"{name}: {text} is outside {roots[0]}; image_root says where images are")
    return path
