"""JSON files that hold a digest of themselves: whoever reads one finds a changed byte.

The digest is the sha256 of the file with the digest's own 64 digits left out. It finds accidents and edits by hand; it
is no signature, and whoever means to can make a new one.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import MOST_JSON_BYTES, REBUILD_HINT, read_regular
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel

FIELD = "file_digest"
"""The last key of a sealed file."""
_DIGEST = re.compile("[0-9a-f]{64}")
_EMPTY = f'"{FIELD}": ""'.encode()


def sealed_json(model: StrictModel) -> bytes:
    """The model as JSON for people, with its digest in the last key, `file_digest`."""
    return seal(model.model_copy(update={FIELD: ""}).model_dump_json(indent=2).encode() + b"\n")


def seal(text: bytes) -> bytes:
    """A JSON file with its digest filled in: its last `file_digest` must be there, and empty."""
    head, found, tail = text.rpartition(_EMPTY)
    assert found, f"no empty `{FIELD}`"
    return head + _EMPTY[:-1] + hashlib.sha256(text).hexdigest().encode() + b'"' + tail


def is_sealed(data: bytes, digest: str) -> bool:
    """Whether a file's bytes are those that this digest, which stands in them, was made of."""
    if not _DIGEST.fullmatch(digest):
        return False
    head, found, tail = data.rpartition(digest.encode())
    return bool(found) and hashlib.sha256(head + tail).hexdigest() == digest


def load_json(file: Path, *, hint: str = REBUILD_HINT) -> tuple[bytes, Any]:
    """A file's bytes, and what they say.

    Raises:
        ArtifactError: it can't be read, is no regular file, or no JSON.
    """
    if file.is_symlink():
        raise ArtifactError(f"`{file}` is a symbolic link, not the file that was written", hint=hint)
    try:
        data = read_regular(file, most_bytes=MOST_JSON_BYTES)
        return data, json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"`{file}` is no valid JSON: {error}", hint=hint) from error
    except OSError as error:
        raise unreadable(file, error, hint=hint) from error


def unreadable(file: Path, error: OSError, *, hint: str = REBUILD_HINT) -> ArtifactError:
    """What to raise where a file can't be read; who may not read it is told so, as nothing is known to be wrong."""
    if isinstance(error, PermissionError):
        hint = "ask its owner for permission to read it; nothing is known to be wrong with it"
    return ArtifactError(f"`{file}` can't be read: {(error.strerror or str(error)).lower()}", hint=hint)
