"""The index of a large data set: its rows as they were found to be usable, for all starts that come after.

It is a folder, named by all that decides what is in it: the table of the recipe, the bytes of the files that it names,
and the code that reads them. Pictures are in files of their own; each is looked at, whether it changed, when an index
is opened.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import PIL

import rilctl
from rilctl.config.data import ChatData, DataConfig, FolderData, JsonlData, LlavaData, ParquetData
from rilctl.data.drawing import Drawn, draw
from rilctl.data.once.kept import Kept, file_digest, remove, to_disk
from rilctl.data.once.pictures import IndexedPictures, NotedPictures
from rilctl.data.once.stored import NotStorableError, RowWriter, StoredSamples, read_some
from rilctl.data.read import StagedRows
from rilctl.data.reading import Reader, Split, validation_source
from rilctl.data.sample import SampleSet
from rilctl.data.sources.base import absolute
from rilctl.data.sources.parquet import find_parquet
from rilctl.errors import DataError, RilctlError
from rilctl.schemas.records import RejectedRecord

LEAST_BYTES: Final = 1 << 25
"""Of a data set's file, without pictures; a smaller one is read in seconds."""
MOST_INDEXES: Final = 8
"""The others go, those first that nobody has used for longest; likewise of what stands for an index."""
_SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
_HEAD, _PICTURES = "index.json", "pictures.arrow"
_NONE = ".none"
"""Ends the name of a file that stands for an index which can't be made: the pictures are in no files."""
_NAME, _NONE_NAME = re.compile(r"[0-9a-f]{64}"), re.compile(rf"[0-9a-f]{{64}}{re.escape(_NONE)}")
Load = Callable[[Split, Reader], SampleSet]
"""Reads, checks and selects one split."""


@dataclass(frozen=True)
class Index:
    """An index that is open.

    Args:
        folder: where it is.
        head: what `index.json` says.
        pictures: of all rows.
        rows: of each split.
    """

    folder: Path
    head: Mapping[str, Any]
    pictures: IndexedPictures
    rows: Mapping[Split, StoredSamples]

    def split(self, split: Split) -> SampleSet:
        """The rows of a split. Raises `DataError` as reading them did."""
        said = self.head[split]
        if "error" in said:
            raise DataError(said["error"], hint=said["hint"])
        rejected = tuple(RejectedRecord.model_validate(row) for row in said["rejected"])
        return SampleSet(
            said["name"], self.rows[split], rejected, said["left_out"], said["digest"], said["num_shortened"]
        )

    def part(self, split: Split, most_rows: int) -> SampleSet:
        """The same, but of many rows no more than a plan needs. Raises as `split` does."""
        whole = self.split(split)
        drawn = draw(len(whole.samples), most_rows)
        if drawn is None:
            return whole
        some = tuple(read_some(self.folder / f"{split}.arrow", self.pictures, drawn.numbers))
        return replace(whole, samples=some, digest="", drawn=Drawn(drawn.num_rows, drawn.numbers, of_usable=True))


def find_index(config: DataConfig, base_dir: Path, kept: Kept, load: Load) -> Index | None:
    """The index of a data set, made where it isn't there yet.

    Args:
        config: the `[data]` table, of which nothing but its files says what is selected.
        base_dir: folder that relative paths start from.
        kept: where indexes are.
        load: reads a split.

    Returns:
        None: the data set is small, or its pictures are in no files, or it isn't indexed and nothing may be written.

    Raises:
        DataError: a file changed while it was read.
    """
    name = index_name(config, base_dir)
    if name is None:
        return None
    if (kept.folder / f"{name}{_NONE}").exists():
        _note_use(kept.folder / f"{name}{_NONE}")
        return None
    if (found := kept.opened.get(name) or _opened(kept, name)) is None and kept.writes:
        with kept.forgiving(), kept.alone(name, "indexes this data set"):
            found = _opened(kept, name)
            if found is None and _make(config, base_dir, kept, name, load):
                found = _opened(kept, name, is_new=True)
    if found is not None:
        kept.opened[name] = found
        _note_use(kept.folder / name)
    return found


def _note_use(path: Path) -> None:
    with suppress(OSError):
        os.utime(path)


def index_name(config: DataConfig, base_dir: Path) -> str | None:
    """What an index of this data set is called; None where it has none."""
    if config.select.decontaminate or config.select.pass_rate or config.select.likelihood:
        return None  # these choose by what isn't in its files
    if config.select.max_prompt_tokens is not None:
        return None
    try:
        files = _files(config, base_dir)
        if sum(path.stat().st_size for path in files) < LEAST_BYTES:
            return None
        said = [
            ["index 1", rilctl.__version__, PIL.__version__, _code()],
            config.model_dump_json(exclude={"workers", "size"}),
            str(absolute(".", base_dir)),
            [[str(path), file_digest(path)] for path in files],
        ]
    except (OSError, RilctlError):  # whoever reads it says what is wrong
        return None
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _files(config: DataConfig, base_dir: Path) -> list[Path]:
    """All that rows are read from; nothing for a source that has no files of its own."""
    found: list[Path] = []
    held_out = validation_source(config)
    for source in [config] if held_out is config else [config, held_out]:
        match source:
            case JsonlData() | LlavaData() | ChatData():
                found.append(absolute(source.path, base_dir))
            case FolderData():
                found.append(absolute(source.table, absolute(source.path, base_dir)))
            case ParquetData():
                found += find_parquet(source.path, base_dir)
            case _:
                return []
    return found


@cache
def _code() -> str:
    """Digest of the code that decides what is in a row."""
    package = Path(rilctl.__file__).parent
    files = sorted([*(package / "data").rglob("*.py"), *(package / "schemas").glob("*.py"), package / "config/data.py"])
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(package)}\n{file_digest(path)}\n".encode())
    return whole.hexdigest()


def _opened(kept: Kept, name: str, *, is_new: bool = False) -> Index | None:
    """An index that is there, whole, and of pictures as they are; a new one was made of them."""
    import pyarrow as pa

    folder = kept.folder / name
    if not folder.exists():
        return None
    try:
        seal, _, text = (folder / _HEAD).read_bytes().partition(b"\n")
        if hashlib.sha256(text).hexdigest() != seal.decode():
            raise ValueError(f"`{_HEAD}` isn't as it was written")
        head = json.loads(text)
        for file, digest in head["files"].items():
            if file_digest(folder / file) != digest:
                raise ValueError(f"`{file}` isn't as it was written")
        pictures = IndexedPictures(folder / _PICTURES)
        if not is_new and not pictures.are_as_they_were():
            kept.say("pictures changed since this data set was indexed, or just before: it is read again")
            return None
        splits: tuple[Split, ...] = _SPLITS
        rows = {split: StoredSamples.open(folder / f"{split}.arrow", pictures) for split in splits}
        return Index(folder, head, pictures, rows)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        kept.warn(f"the index `{folder}` is damaged ({error}): the data set is read again")
        return None


def _make(config: DataConfig, base_dir: Path, kept: Kept, name: str, load: Load) -> bool:
    """Make an index; whether there is one now. Raises `DataError`, and `OSError` where there is no room."""
    kept.say("indexing the data set, once: later starts find its rows and pictures in the workspace's `.cache`")
    with kept.temporary("") as folder, kept.temporary("") as scratch:
        folder.mkdir()
        scratch.mkdir()
        pictures, number = NotedPictures(), count()
        reader = Reader(
            config,
            base_dir,
            rows=lambda: StagedRows(scratch / f"{next(number)}.arrow", pictures, kept.check_stop),
        )
        try:
            head = {split: _write(load, split, reader, folder, pictures) for split in _SPLITS}
        except NotStorableError:
            (kept.folder / f"{name}{_NONE}").touch()
            _prune(kept)
            return False
        pictures.write(folder / _PICTURES)
        if index_name(config, base_dir) != name:
            raise DataError("the data set changed while it was read", hint="run it again when nobody writes to it")
        _seal(folder, head)
        target = kept.folder / name
        remove(target)
        with suppress(FileExistsError):  # where the disk knows no locks, another process may have made it
            folder.rename(target)
        to_disk(kept.folder)
    _prune(kept)
    return True


def _write(load: Load, split: Split, reader: Reader, folder: Path, pictures: NotedPictures) -> dict[str, Any]:
    """Write the rows of a split; what else there is to say of it."""
    writer = RowWriter(folder / f"{split}.arrow", pictures)
    try:
        found = load(split, reader)
        writer.add_all(found.samples)
    except DataError as error:
        return {"error": error.message, "hint": error.hint}
    finally:
        writer.close()
    return {
        "name": found.name,
        "rejected": [row.model_dump() for row in found.rejected],
        "left_out": found.left_out,
        "digest": found.digest,
        "num_shortened": found.num_shortened,
    }


def _seal(folder: Path, head: Mapping[Split, Any]) -> None:
    files = sorted(folder.glob("*.arrow"))
    for path in files:
        to_disk(path)
    text = json.dumps({**head, "files": {path.name: file_digest(path) for path in files}}).encode()
    (folder / _HEAD).write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
    to_disk(folder / _HEAD)
    to_disk(folder)


def _prune(kept: Kept) -> None:
    for named in (_NAME, _NONE_NAME):
        found: list[tuple[float, Path]] = []
        for path in kept.folder.iterdir():
            if named.fullmatch(path.name):
                with suppress(OSError):
                    found.append((path.stat().st_mtime, path))
        for _, path in sorted(found)[:-MOST_INDEXES]:
            remove(path)
            (kept.folder / f"{path.name.removesuffix(_NONE)}.lock").unlink(missing_ok=True)
