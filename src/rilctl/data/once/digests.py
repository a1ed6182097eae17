"""Digests of pictures that were read before: a file that hasn't changed since is read for its digest once.

They lie in Arrow files that are named by their content and never written to again, so that processes and hosts share
them without a lock: who has found digests adds a file, and where there are many, makes one of them. A reader takes a
file for what its name says, or not at all.

Shapes: N pictures.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL

from rilctl.data.once.kept import TEMPORARY, Kept, file_digest, to_disk
from rilctl.data.once.stamps import Stamp, find_stamp
from rilctl.data.sample import Found, ImageRef

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST = 1000
"""Of fewer new pictures nothing is kept: they are read again in no time."""
MOST_FILES = 16
"""More are made one."""
MOST_PICTURES = 1 << 23
"""That are kept, about 150 bytes each; the newest stay."""
_FORMAT = {b"rilctl": b"pictures 1", b"pillow": PIL.__version__.encode()}
"""What decides whether a picture can be opened is of one version of Pillow."""
_STAMPS = tuple(Stamp.__annotations__)


class PictureDigests:
    """What is known of pictures in files.

    Args:
        kept: where that is.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._tables: dict[str, Any] = {}
        self._new: dict[bytes, Found] = {}
        self._read_files()

    def look_up(self, images: Iterable[ImageRef]) -> list[ImageRef]:
        """Tell references what is known of their files. Returns those of which nothing is, one for each file."""
        missing: dict[bytes, list[ImageRef]] = {}
        for image in images:
            if isinstance(image.origin, Path) and image.found is None:
                missing.setdefault(os.fsencode(image.origin), []).append(image)
        stamps = {path: find_stamp(path) for path in missing}
        for path in missing.keys() & self._new.keys():
            if self._new[path].stamp == stamps[path]:
                for image in missing.pop(path):
                    image.take(self._new[path])
        for table in reversed(self._tables.values()):
            if not missing:
                break
            paths = list(missing)
            keys = np.array([_key(path) for path in paths], np.uint64)
            known = table["key"].to_numpy()
            places = np.searchsorted(known, keys)
            found = np.flatnonzero(known[np.minimum(places, len(known) - 1)] == keys)
            for at, row in zip(found.tolist(), table.take(places[found]).to_pylist(), strict=True):
                path, stamp = paths[at], Stamp(*(row[name] for name in _STAMPS))
                if row["path"] == path and stamp == stamps[path]:
                    for image in missing.pop(path):
                        image.take(Found(stamp, row["digest"].hex(), (row["width"], row["height"])))
        return [images[0] for images in missing.values()]

    def look_again(self) -> None:
        """See what other processes have kept since."""
        self._read_files()

    def add(self, images: Iterable[ImageRef]) -> None:
        """Keep what was found by reading these; of the others nothing."""
        for image in images:
            found = image.found
            if isinstance(image.origin, Path) and found is not None and found.stamp is not None:
                self._new[os.fsencode(image.origin)] = found

    def flush(self) -> None:
        """Put what was added on the disk, unless it is too little."""
        new, self._new = self._new, {}
        if len(new) < FEWEST or not self._kept.writes:
            return
        with self._kept.forgiving():
            self._write(_sorted(_table(new)))
            if len(self._tables) > MOST_FILES:
                self._join()

    def _join(self) -> None:
        """One file of all; who has the old ones open goes on reading them."""
        import pyarrow as pa

        self._read_files()
        olds = list(self._tables)
        joined = self._write(_sorted(pa.concat_tables(reversed(self._tables.values())).slice(0, MOST_PICTURES)))
        for name in olds:
            if name != joined:
                del self._tables[name]
                (self._kept.folder / name).unlink(missing_ok=True)

    def _write(self, table: "pa.Table") -> str:
        import pyarrow as pa

        with self._kept.temporary(".arrow") as path:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            to_disk(path)
            target = self._kept.folder / f"{file_digest(path)}.arrow"
            path.replace(target)
        self._tables.pop(target.name, None)
        self._tables[target.name] = _opened(target)
        return target.name

    def _read_files(self) -> None:
        """Open the files that aren't open yet, the oldest first. Those that aren't whole, or of another Pillow, go."""
        found: list[tuple[int, str]] = []
        for path in self._kept.folder.glob("*.arrow"):
            with suppress(OSError):  # joined by another process
                if not path.name.startswith(TEMPORARY):
                    found.append((path.stat().st_mtime_ns, path.name))
        for _, name in sorted(found):
            if name in self._tables:
                continue
            path = self._kept.folder / name
            try:
                if file_digest(path) != path.stem:
                    raise ValueError("its content isn't that of its name")
                table = _opened(path)
                if table.schema.metadata == _FORMAT:
                    self._tables[name] = table
                    continue
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                self._kept.warn(f"`{path}` is damaged ({error}): its pictures are read again")
            if self._kept.writes:
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def _key(path: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(path, digest_size=8).digest())


def _table(found: Mapping[bytes, Found]) -> "pa.Table":
    import pyarrow as pa

    paths = list(found)
    stamps, digests, sizes = zip(*found.values(), strict=True)
    columns = {
        "key": pa.array([_key(path) for path in paths], pa.uint64()),
        "path": pa.array(paths, pa.large_binary()),
        **{
            name: pa.array(values, pa.int64() if name != "inode" else pa.uint64())
            for name, values in zip(_STAMPS, zip(*stamps, strict=True), strict=True)
        },
        "digest": pa.array([bytes.fromhex(digest) for digest in digests], pa.binary(32)),
        "width": pa.array([size[0] for size in sizes], pa.int32()),
        "height": pa.array([size[1] for size in sizes], pa.int32()),
    }
    return pa.table(columns, metadata=_FORMAT)


def _sorted(table: "pa.Table") -> "pa.Table":
    """By key, of each the first row."""
    keys = table["key"].to_numpy()
    _, first = np.unique(keys, return_index=True)
    return table.take(first).combine_chunks()


def _opened(path: Path) -> "pa.Table":
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
