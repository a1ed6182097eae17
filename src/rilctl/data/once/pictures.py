"""The pictures of an index: which files they are, and what was found by reading them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rilctl.data.once.stamps import NO_FILE, Stamp, find_stamp, is_settled
from rilctl.data.sample import Found, ImageRef, Sample

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 50_000
_UNSETTLED = Stamp(-2, -2, -2, -2)
"""Of a file that may have changed meanwhile: no file has this, so the index won't be used again."""
_STAMPS = tuple(Stamp.__annotations__)


class NotedPictures:
    """Pictures while an index is made. What isn't looked at counts as well: it may have been a reason for something."""

    def __init__(self) -> None:
        self._began_ns = time.time_ns()
        self._numbers: dict[Path, int] = {}
        self._found: list[Found | None] = []
        self._paths: list[Path] = []

    def number(self, path: Path) -> int:
        """See `Pictures`."""
        number = self._numbers.setdefault(path, len(self._paths))
        if number == len(self._paths):
            self._paths.append(path)
            self._found.append(None)
        return number

    def image(self, number: int, name: str, max_px: int) -> ImageRef:
        """See `Pictures`."""
        return _image(self._paths[number], name, max_px, self._found[number])

    def note(self, samples: Iterable[Sample]) -> None:
        """Remember what was found of the pictures of rows that were looked at."""
        for sample in samples:
            for image in sample.images:
                if isinstance(image.origin, Path) and image.found is not None:
                    self._found[self.number(image.origin)] = image.found

    def write(self, path: Path) -> None:
        """Write all of them to a file."""
        import pyarrow as pa

        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _schema()) as writer:
            for start in range(0, len(self._paths), _BATCH):
                paths, found = self._paths[start : start + _BATCH], self._found[start : start + _BATCH]
                stamps = [self._stamp(each, what) for each, what in zip(paths, found, strict=True)]
                columns = [
                    [os.fsencode(each) for each in paths],
                    *zip(*stamps, strict=True),
                    [what and bytes.fromhex(what.digest) for what in found],
                    [what.size_px[0] if what else 0 for what in found],
                    [what.size_px[1] if what else 0 for what in found],
                ]
                arrays = [pa.array(column, field.type) for column, field in zip(columns, _schema(), strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=_schema()))

    def _stamp(self, path: Path, found: Found | None) -> Stamp:
        if found is not None:
            return found.stamp or _UNSETTLED
        stamp = find_stamp(path)
        return stamp if stamp == NO_FILE or is_settled(stamp, self._began_ns) else _UNSETTLED


class IndexedPictures:
    """Pictures of an index that was made before. Raises pyarrow's errors where the file is none of ours.

    Args:
        path: of the file, which stays mapped.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._path = path
        self._table: pa.Table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()

    def image(self, number: int, name: str, max_px: int) -> ImageRef:
        """See `Pictures`."""
        table = self._table
        digest, found = table["digest"][number].as_py(), None
        if digest is not None:
            found = Found(None, digest.hex(), (table["width"][number].as_py(), table["height"][number].as_py()))
        return _image(Path(os.fsdecode(table["path"][number].as_py())), name, max_px, found)

    def are_as_they_were(self) -> bool:
        """Whether no file of them has changed, came or went since; reads none, and holds few in memory."""
        import pyarrow as pa

        with pa.OSFile(str(self._path)) as source:
            file = pa.ipc.open_file(source)
            for at in range(file.num_record_batches):
                columns = file.get_batch(at).select(["path", *_STAMPS]).to_pydict()
                were = zip(*(columns[name] for name in _STAMPS), strict=True)
                if any(find_stamp(path) != stamp for path, stamp in zip(columns["path"], were, strict=True)):
                    return False
        return True


def _image(path: Path, name: str, max_px: int, found: Found | None) -> ImageRef:
    image = ImageRef(path, name, max_px)
    if found is not None:
        image.take(found)
    return image


def _schema() -> "pa.Schema":
    import pyarrow as pa

    stamps = [(name, pa.int64()) for name in _STAMPS]
    sizes = [("width", pa.int32()), ("height", pa.int32())]
    return pa.schema([("path", pa.large_binary()), *stamps, ("digest", pa.binary(32)), *sizes])
