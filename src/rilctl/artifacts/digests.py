"""Digests that depend on what something says, not on when, where or in how many pieces it was written.

- Rows: sha256 over the sorted sha256 of each row's canonical JSON. Order, shard cuts and restarts don't matter. Every
  column is content, floats such as logits included; no row model has a volatile column (time, host, path), and a new
  row model must not have one either. Null columns are left out, so a later optional column keeps old digests.
- Weights: sha256 over sorted (name, dtype, shape, sha256 of the bytes) of all tensors in the files that a loader reads.
  How tensors are spread over files doesn't matter.
- Other files: sha256 over sorted (name, sha256).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import JsonValue
from safetensors import SafetensorError, safe_open

from rilctl.artifacts.layout import open_regular
from rilctl.artifacts.weight_files import PARTS, WEIGHTS, weight_files
from rilctl.errors import ArtifactError
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import InputEntry

_CHUNK_BYTES: Final = 1 << 20
_ITEM_BYTES: Final = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
"""Of an element, by dtype; smaller ones have names of their own for each way to pack them."""
_MAX_HEADER_BYTES: Final = 100_000_000  # the limit of the safetensors format itself


def canonical_json(value: object) -> bytes:
    """JSON in its one canonical form: sorted keys, no spaces, UTF-8, shortest floats.

    Raises:
        ValueError: NaN or infinity, which JSON can't hold.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, read in pieces. Raises `OSError`, also where it is a pipe or the like."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance_digest(verb: str, semantic: Mapping[str, JsonValue], inputs: Sequence[InputEntry]) -> str:
    """What decides "up to date": verb, semantic config and the inputs' (role, kind, digest).

    Names and paths of inputs don't count, nor their order: the same bytes elsewhere are the same input.
    """
    identities = sorted([entry.role, entry.kind, entry.digest] for entry in inputs)
    return hashlib.sha256(canonical_json({"verb": verb, "semantic": semantic, "inputs": identities})).hexdigest()


class RowsDigest:
    """Content digest of rows that come one after the other; holds 32 bytes per row."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def add(self, record: StrictModel) -> None:
        """Count one row."""
        self._rows.append(hashlib.sha256(canonical_json(record.model_dump(mode="json", exclude_none=True))).digest())

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        return hashlib.sha256(b"".join(sorted(self._rows))).hexdigest()


def weights_digest(directory: Path) -> str:
    """Content digest of the weights in a directory, an artifact or any model directory; needs no torch.

    Raises:
        ArtifactError: there are none, one file is damaged, two hold a tensor of one name, or `weight_files` refuses.
    """
    tensors: list[list[Any]] = []
    named: dict[str, Path] = {}
    for path in weight_files(directory):
        for name, *about in _tensors(path):
            if path.name not in PARTS and (other := named.setdefault(name, path)) != path:
                raise ArtifactError(
                    f"`{path}` holds `{name}`, and so does `{other}`: which of them is read isn't said",
                    hint="copy or build the model again",
                )
            tensors.append([".", name, *about])
    if not tensors:
        raise ArtifactError(
            f"`{directory}` holds no weights: no tensor in {WEIGHTS}, nor in files that an index names",
            hint="convert the weights to safetensors, or copy the directory whole",
        )
    return hashlib.sha256(canonical_json(sorted(tensors))).hexdigest()


def files_digest(files: Mapping[str, str]) -> str:
    """Content digest of plain files, given as name -> sha256."""
    return hashlib.sha256(canonical_json(dict(files))).hexdigest()


def _tensors(path: Path) -> list[list[Any]]:
    """[name, dtype, shape, sha256 of bytes] of each tensor; the header is parsed here because numpy has no bfloat16."""
    try:
        size = path.stat().st_size
        with open_regular(path) as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            if not 2 <= header_bytes <= min(size - 8, _MAX_HEADER_BYTES):
                raise ValueError(f"a header of {header_bytes} bytes in a file of {size}")
            header = json.loads(file.read(header_bytes), object_pairs_hook=_each_once)
            header.pop("__metadata__", None)
            start = 8 + header_bytes
            tensors = [
                [name, str(info["dtype"]), [int(n) for n in info["shape"]], _sha256_range(file, start, info, size)]
                for name, info in header.items()
            ]
        with safe_open(path, "numpy"):
            return tensors  # the library knows all types as well, and sees no gap between tensors
    except OSError as error:
        raise ArtifactError(f"`{path}` can't be read: {error.strerror or error}", hint="check permissions") from error
    except (SafetensorError, ValueError, OverflowError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"`{path}` is no intact safetensors file: {error}", hint="copy or build it again"
        ) from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, as `json` makes it; of two with one name it would take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _sha256_range(file: BinaryIO, start: int, info: Mapping[str, Any], size: int) -> str:
    begin, end = (int(n) for n in info["data_offsets"])
    if not 0 <= begin <= end <= size - start:
        raise ValueError("a tensor lies outside the file")
    item_bytes = _ITEM_BYTES.get(info["dtype"])
    if item_bytes is not None and math.prod(info["shape"]) * item_bytes != end - begin:
        raise ValueError("a tensor has other bytes than its shape says")
    digest = hashlib.sha256()
    file.seek(start + begin)
    left = end - begin
    while left:
        piece = file.read(min(left, _CHUNK_BYTES))
        if not piece:
            raise ValueError("the file ends early")
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()
