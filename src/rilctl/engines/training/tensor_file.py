"""A safetensors file that comes tensor by tensor: no more of a copy is in memory than waits for the disk."""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedWriter
from pathlib import Path

import torch
from torch import Tensor

from rilctl.engines.training.disk import Disk, Written
from rilctl.models.loaded.saving import saving

_CHUNK = 1 << 24
"""Elements that are copied at a time."""
_NAMES = {torch.float32: "F32", torch.int64: "I64"}

Layout = tuple[torch.dtype, Sequence[int]]
"""Precision and shape of a tensor."""


class TensorFile:
    """The file gets its name when it is whole and on the disk, which `Disk.wait` says.

    Args:
        path: of the file; its directory is there.
        layouts: of all tensors, by name, in the order in which they will come.
        disk: writes.
    """

    def __init__(self, path: Path, layouts: Mapping[str, Layout], disk: Disk) -> None:
        self._path, self._temporary, self._disk = path, path.with_name(f".tmp-{path.name}.part"), disk
        self._expected = iter([(name, dtype, tuple(shape)) for name, (dtype, shape) in layouts.items()])
        header = json.dumps(dict(_entries(layouts)), separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        self._file: BufferedWriter | None = None
        self._digest, self._size_bytes = hashlib.sha256(), 0
        disk.put(partial(self._write, len(header).to_bytes(8, "little") + header))

    def put(self, name: str, tensor: Tensor) -> None:
        """The next tensor, which may change as soon as this returns. Raises `ValueError` where it isn't expected."""
        found, expected = (name, tensor.dtype, tuple(tensor.shape)), next(self._expected, None)
        if expected != found:
            self._disk.put(self._abandon)
            raise ValueError(f"{self._path.name}: {found} comes where {expected} should")
        flat = tensor.detach().reshape(-1)
        for start in range(0, len(flat), _CHUNK):
            piece = flat[start : start + _CHUNK].to("cpu", copy=True)
            self._disk.put(partial(self._write, piece.numpy().data), piece.nbytes)

    def close(self) -> None:
        """All of it has come. Raises `ValueError` where a tensor is missing."""
        missing = next(self._expected, None)
        if missing is not None:
            self._disk.put(self._abandon)
            raise ValueError(f"{self._path.name} lacks {missing[0]}")
        self._disk.put(self._finish)

    def _write(self, data: "bytes | memoryview") -> None:
        with self._cleaning():
            if self._file is None:
                self._file = self._temporary.open("wb")
            self._file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data) if isinstance(data, bytes) else data.nbytes

    def _finish(self) -> None:
        assert self._file is not None
        with self._cleaning():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
        self._disk.note(Written(self._path, self._size_bytes, self._digest.hexdigest()))

    @contextmanager
    def _cleaning(self) -> Iterator[None]:
        """What fails names the file, and leaves none."""
        try:
            with saving(self._path):
                yield
        except OSError:
            self._abandon()
            raise

    def _abandon(self) -> None:
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        self._temporary.unlink(missing_ok=True)


def _entries(layouts: Mapping[str, Layout]) -> Iterator[tuple[str, dict[str, object]]]:
    start = 0
    for name, (dtype, shape) in layouts.items():
        end = start + math.prod(shape) * dtype.itemsize
        yield name, {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
