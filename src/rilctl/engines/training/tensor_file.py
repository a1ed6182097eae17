"""A safetensors file that is written tensor by tensor, so that no second copy of what it holds is ever in memory."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

_CHUNK = 1 << 24
"""Elements that are in host memory at a time, where the tensor is on a device."""
_NAMES = {torch.float32: "F32", torch.int64: "I64"}

Layout = tuple[torch.dtype, Sequence[int]]
"""Precision and shape of a tensor."""


class TensorFile:
    """The file gets its name when it is whole and on the disk.

    Args:
        path: of the file; its directory is there.
        layouts: of all tensors, by name, in the order in which they will come.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: Path, layouts: Mapping[str, Layout]) -> None:
        self._path, self._temporary = path, path.with_name(f".tmp-{path.name}.part")
        self._expected = iter([(name, dtype, tuple(shape)) for name, (dtype, shape) in layouts.items()])
        header = json.dumps(dict(_entries(layouts)), separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        self._file = self._temporary.open("wb")
        self._file.write(len(header).to_bytes(8, "little") + header)

    def put(self, name: str, tensor: Tensor) -> None:
        """The next tensor. Raises `OSError`; `ValueError` where it isn't the one that is expected."""
        found, expected = (name, tensor.dtype, tuple(tensor.shape)), next(self._expected, None)
        if expected != found:
            raise ValueError(f"{self._path.name}: {found} comes where {expected} should")
        flat = tensor.detach().reshape(-1)
        for start in range(0, len(flat), _CHUNK):
            self._file.write(flat[start : start + _CHUNK].cpu().numpy().data)

    def close(self) -> None:
        """All of it is there. Raises `OSError`; `ValueError` where a tensor is missing."""
        missing = next(self._expected, None)
        if missing is not None:
            raise ValueError(f"{self._path.name} lacks {missing[0]}")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)

    def abandon(self) -> None:
        """It will never be whole."""
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _entries(layouts: Mapping[str, Layout]) -> Iterator[tuple[str, dict[str, object]]]:
    start = 0
    for name, (dtype, shape) in layouts.items():
        end = start + math.prod(shape) * dtype.itemsize
        yield name, {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
