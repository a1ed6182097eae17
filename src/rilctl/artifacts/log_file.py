"""A log that a run appends to: what it held at a checkpoint is found again there, or the run is refused."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from rilctl.artifacts.layout import fsync_directory, fsync_file, naming, open_regular
from rilctl.artifacts.sealed import unreadable
from rilctl.errors import ArtifactError
from rilctl.schemas.checkpoint import Mark

_CHUNK_BYTES = 1 << 20


class LogFile:
    """Only one process appends. Knows the digest of all that it appended, so that marking it reads nothing.

    Args:
        path: of the file; it needn't be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest, self._size_bytes = hashlib.sha256(), 0

    def append(self, lines: Iterable[str]) -> None:
        """Add lines, each with its end; they are with the operating system when this returns."""
        data = "".join(lines).encode()
        with naming(self.path), self.path.open("ab") as file:
            file.write(data)
        self._digest.update(data)
        self._size_bytes += len(data)

    def mark(self) -> Mark:
        """What it holds now, when that is on the disk, and its name as well."""
        if self._size_bytes:
            fsync_file(self.path)
            fsync_directory(self.path.parent)
        return Mark(size_bytes=self._size_bytes, sha256=self._digest.hexdigest())

    def cut_to(self, mark: Mark | None, *, hint: str = "") -> None:
        """Go on from what it held at a checkpoint: what came later, and a line that was cut short, goes.

        Args:
            mark: of the checkpoint; None: there is none, and nothing is kept.
            hint: what to do where it isn't as it was.

        Raises:
            ArtifactError: it doesn't hold what it held then.
        """
        if self.path.is_symlink():
            raise ArtifactError(f"`{self.path}` is a link, and what it leads to is no log of ours", hint="move it away")
        size_bytes = mark.size_bytes if mark else 0
        if not self.path.exists() and not size_bytes:
            return
        try:
            self._digest = self._digest_of(size_bytes)
        except FileNotFoundError:
            raise ArtifactError(f"`{self.path}` is gone; the checkpoint needs it", hint=hint) from None
        except OSError as error:
            raise unreadable(self.path, error, hint=hint) from error
        if mark and self._digest.hexdigest() != mark.sha256:
            raise ArtifactError(f"`{self.path}` was cut or changed since the checkpoint was written", hint=hint)
        self._size_bytes = size_bytes
        with naming(self.path), self.path.open("rb+") as file:
            file.truncate(size_bytes)
            os.fsync(file.fileno())

    def check(self, *, hint: str) -> None:
        """Raise `ArtifactError` where it doesn't hold what was appended, and that alone."""
        if self._size_bytes and self._digest_of(self.path.stat().st_size).digest() != self._digest.digest():
            raise ArtifactError(f"`{self.path}` was changed while the run was under way", hint=hint)

    def _digest_of(self, size_bytes: int) -> "hashlib._Hash":
        digest = hashlib.sha256()
        with open_regular(self.path) as file:
            while size_bytes and (piece := file.read(min(size_bytes, _CHUNK_BYTES))):
                digest.update(piece)
                size_bytes -= len(piece)
        return digest
