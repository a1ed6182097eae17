"""Rows in a memory-mapped Arrow file: each is made when it is asked for, so millions take no memory.

A row's text is JSON: its system turn, its turns, ground truth and response. A picture in a turn is its number among the
pictures, its name and the most pixels that it may have.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, overload

import numpy as np
from numpy.typing import NDArray

from rilctl.data.conversation import Conversation, Turn
from rilctl.data.sample import ImageRef, Sample

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000
"""Rows that are written together."""
_AT_ONCE = 1000
"""Rows that are made together where all are asked for."""
_FAR = 10
"""Rows that are further apart than so many are fetched one by one."""
Role = Literal["system", "user", "assistant"]


_encode = json.JSONEncoder(separators=(",", ":")).encode


class NotStorableError(Exception):
    """A picture is in no file: where it is can't be written down."""


class Pictures(Protocol):
    """The pictures that rows name by their numbers."""

    def image(self, number: int, name: str, max_px: int) -> ImageRef:
        """A reference to a picture, with what is known of it."""
        ...


class PicturesToNumber(Pictures, Protocol):
    """Pictures that rows still to be written can name."""

    def number(self, path: Path) -> int:
        """Of a file, which gets one if it has none."""
        ...


class RowWriter:
    """Writes rows, one after the other.

    Args:
        path: of the file.
        pictures: give numbers to those of the rows.
    """

    def __init__(self, path: Path, pictures: PicturesToNumber) -> None:
        import pyarrow as pa

        self._pictures = pictures
        fields = [("id", pa.large_binary()), ("row", pa.large_binary()), ("has_truth", pa.bool_())]
        self._schema = pa.schema([*fields, ("has_response", pa.bool_())])
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)
        self._rows: list[tuple[bytes, bytes, bool, bool]] = []
        self.num_rows = 0

    def add(self, sample: Sample) -> None:
        """Write a row. Raises `NotStorableError`."""
        talk = sample.conversation
        turns = [[turn.role, [self._part(part) for part in turn.parts]] for turn in talk.turns]
        text = _encode([talk.system, turns, sample.answer, sample.response])
        self._add(sample.id, text, sample.has_truth, bool(sample.response))

    def add_all(self, samples: Sequence[Sample]) -> None:
        """Write rows; those of a file, which name the same pictures, as they are. Raises `NotStorableError`."""
        if not isinstance(samples, StoredSamples) or (parts := samples.written(self._pictures)) is None:
            for sample in samples:
                self.add(sample)
            return
        self._flush()
        for part in parts:
            self.num_rows += len(part)
            self._writer.write_table(part.cast(self._schema))

    def skip(self, row_id: str) -> None:
        """Leave a row without anything but its id."""
        self._add(row_id, "", has_truth=False, has_response=False)

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()
        self._sink.close()

    def _add(self, row_id: str, text: str, has_truth: bool, has_response: bool) -> None:
        self._rows.append((row_id.encode(errors="surrogatepass"), text.encode(), has_truth, has_response))
        self.num_rows += 1
        if len(self._rows) == BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows = []

    def _part(self, part: str | ImageRef) -> str | list[object]:
        if isinstance(part, str):
            return part
        if not isinstance(part.origin, Path):
            raise NotStorableError
        return [self._pictures.number(part.origin), part.name, part.max_px]


def _same(sample: Sample) -> Sample:
    """See `StoredSamples`."""
    return sample


class StoredSamples(Sequence[Sample]):
    """Rows of a file, or some of them.

    Args:
        table: all rows of the file.
        pictures: of all rows.
        numbers: which rows these are; None: all.
        change: made to each one.
    """

    def __init__(
        self,
        table: "pa.Table",
        pictures: Pictures,
        numbers: NDArray[np.int64] | None = None,
        change: Callable[[Sample], Sample] = _same,
    ) -> None:
        self._table, self._pictures, self._change = table, pictures, change
        self._numbers: NDArray[np.int64] = np.arange(len(table)) if numbers is None else numbers

    @classmethod
    def open(cls, path: Path, pictures: Pictures) -> Self:
        """The rows of a file, which stays mapped. Raises pyarrow's errors."""
        import pyarrow as pa

        return cls(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), pictures)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> "StoredSamples": ...

    def __getitem__(self, place: int | slice) -> "Sample | StoredSamples":
        if isinstance(place, slice):
            return StoredSamples(self._table, self._pictures, self._numbers[place], self._change)
        number = int(self._numbers[place])
        return self._made(self._table["id"][number].as_py(), self._table["row"][number].as_py())

    def __iter__(self) -> Iterator[Sample]:
        for part in self._parts(["id", "row"]):
            yield from map(self._made, part["id"].to_pylist(), part["row"].to_pylist())

    def ids(self) -> Iterator[str]:
        """The ids of the rows, which needn't be made for it."""
        for part in self._parts(["id"]):
            yield from (row_id.decode(errors="surrogatepass") for row_id in part["id"].to_pylist())

    def places_with(self, what: Literal["has_truth", "has_response"]) -> NDArray[np.int64]:
        """Where rows are that have one, as the file has them."""
        flags: NDArray[np.bool_] = self._table[what].to_numpy()[self._numbers]
        return np.flatnonzero(flags)

    def written(self, pictures: Pictures) -> Iterator["pa.Table"] | None:
        """The rows as the file has them; None where they were changed, or their pictures have other numbers."""
        if self._change is not _same or self._pictures is not pictures:
            return None
        return self._parts(self._table.column_names, BATCH)

    def only(self, places: Iterable[int]) -> "StoredSamples":
        """Some of them."""
        picked = np.fromiter(places, np.int64)
        return StoredSamples(self._table, self._pictures, self._numbers[picked], self._change)

    def changed(self, change: Callable[[Sample], Sample]) -> "StoredSamples":
        """Each one after another change."""
        before = self._change
        return StoredSamples(self._table, self._pictures, self._numbers, lambda sample: change(before(sample)))

    def _parts(self, columns: Sequence[str], at_once: int = _AT_ONCE) -> Iterator["pa.Table"]:
        table = self._table.select(columns)
        for start, end in pairwise([*range(0, len(self), at_once), len(self)]):
            yield _rows(table, self._numbers[start:end])

    def _made(self, row_id: bytes, text: bytes) -> Sample:
        system, turns, answer, response = json.loads(text.decode())
        *earlier, last = (self._turn(role, parts) for role, parts in turns)
        talk = Conversation(last, tuple(earlier), system)
        return self._change(Sample(row_id.decode(errors="surrogatepass"), talk, answer, response))

    def _turn(self, role: Role, parts: Sequence[Any]) -> Turn:
        return Turn(role, tuple(part if isinstance(part, str) else self._pictures.image(*part) for part in parts))


def read_some(path: Path, pictures: Pictures, numbers: Sequence[int]) -> Iterator[Sample]:
    """Rows of a file, in order, without mapping it: rows here and there would have all of it in memory."""
    import pyarrow as pa

    wanted, start = np.array(numbers, np.int64), 0
    with pa.OSFile(str(path)) as source:
        file = pa.ipc.open_file(source)
        for at in range(file.num_record_batches):
            part = pa.Table.from_batches([file.get_batch(at)])
            end = start + len(part)
            yield from StoredSamples(part, pictures, wanted[(wanted >= start) & (wanted < end)] - start)
            start = end


def _rows(table: "pa.Table", numbers: NDArray[np.int64]) -> "pa.Table":
    """Some rows of a table of many parts. `take` copies all parts that it is given together, so it is given few."""
    import pyarrow as pa

    first, span = int(numbers.min()), int(np.ptp(numbers)) + 1
    if span > _FAR * len(numbers):
        return pa.concat_tables([table.slice(number, 1) for number in numbers.tolist()])
    near = table.slice(first, span)
    return near if (np.diff(numbers) == 1).all() else near.take(numbers - first)


def only(samples: Sequence[Sample], places: Iterable[int]) -> Sequence[Sample]:
    """The rows at some places."""
    return samples.only(places) if isinstance(samples, StoredSamples) else [samples[place] for place in places]


def changed(samples: Sequence[Sample], change: Callable[[Sample], Sample]) -> Sequence[Sample]:
    """Each row after a change."""
    return samples.changed(change) if isinstance(samples, StoredSamples) else [change(sample) for sample in samples]


def ids_of(samples: Sequence[Sample]) -> Iterator[str]:
    """The ids of rows."""
    return samples.ids() if isinstance(samples, StoredSamples) else (sample.id for sample in samples)


def with_response(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The rows that have a response to learn."""
    if isinstance(samples, StoredSamples):
        return samples.only(samples.places_with("has_response"))
    return [sample for sample in samples if sample.response]


def num_with_truth(samples: Sequence[Sample]) -> int:
    """How many rows have a ground truth."""
    if isinstance(samples, StoredSamples):
        return len(samples.places_with("has_truth"))
    return sum(sample.has_truth for sample in samples)
