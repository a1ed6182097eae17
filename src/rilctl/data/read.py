"""The rows that a source gave, good and bad, in its order: in memory, or in a file where there are many."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rilctl.data.once.pictures import NotedPictures
from rilctl.data.once.stored import BATCH, RowWriter, StoredSamples
from rilctl.data.sample import Sample
from rilctl.schemas.records import RejectedRecord


class ReadRows:
    """Rows in memory."""

    def __init__(self) -> None:
        self._good: list[Sample | None] = []
        self.bad: dict[int, RejectedRecord] = {}
        """By their places."""

    def __len__(self) -> int:
        return len(self._good)

    def __iter__(self) -> Iterator[Sample | RejectedRecord]:
        for place, sample in enumerate(self._good):
            yield self.bad[place] if sample is None else sample

    def add(self, row: Sample | RejectedRecord) -> None:
        """One more, at the end."""
        if isinstance(row, RejectedRecord):
            self.bad[len(self)] = row
        self._good.append(row if isinstance(row, Sample) else None)

    def reject(self, place: int, record: RejectedRecord) -> None:
        """A row turns out to be bad."""
        self.bad[place] = record
        self._good[place] = None

    def close(self) -> None:
        """There are no more."""

    def listed(self) -> Iterator[tuple[str, RejectedRecord | None]]:
        """The id of each row, and its record if it is bad."""
        for row in self:
            yield (row.sample_id, row) if isinstance(row, RejectedRecord) else (row.id, None)

    def good(self) -> Iterable[Sample]:
        """All good rows."""
        return (sample for sample in self._good if sample is not None)

    def note(self, samples: Iterable[Sample]) -> None:
        """The pictures of these rows were looked at."""

    def only(self, places: Iterable[int]) -> Sequence[Sample]:
        """Good rows at some places."""
        return [sample for place in places if (sample := self._good[place]) is not None]


class StagedRows(ReadRows):
    """Rows in a file while an index is made.

    Args:
        path: of the file, which nobody else uses.
        pictures: of all rows.
        check_stop: called now and then; what it raises ends the reading.
    """

    def __init__(self, path: Path, pictures: NotedPictures, check_stop: Callable[[], object]) -> None:
        super().__init__()
        self._path, self._pictures, self._check_stop = path, pictures, check_stop
        self._writer = RowWriter(path, pictures)
        self._stored: StoredSamples | None = None

    def __len__(self) -> int:
        return self._writer.num_rows

    def add(self, row: Sample | RejectedRecord) -> None:
        """See `ReadRows`. Raises `NotStorableError`."""
        if len(self) % BATCH == 0:
            self._check_stop()
        if isinstance(row, Sample):
            self._writer.add(row)
        else:
            self.bad[len(self)] = row
            self._writer.skip(row.sample_id)

    def reject(self, place: int, record: RejectedRecord) -> None:
        """See `ReadRows`."""
        self.bad[place] = record

    def close(self) -> None:
        """See `ReadRows`."""
        self._writer.close()
        self._stored = StoredSamples.open(self._path, self._pictures)

    def listed(self) -> Iterator[tuple[str, RejectedRecord | None]]:
        """See `ReadRows`."""
        for place, row_id in enumerate(self._all.ids()):
            record = self.bad.get(place)
            yield row_id if record is None else record.sample_id, record

    def good(self) -> Iterable[Sample]:
        """See `ReadRows`."""
        return self.only(place for place in range(len(self)) if place not in self.bad)

    def note(self, samples: Iterable[Sample]) -> None:
        """See `ReadRows`."""
        self._pictures.note(samples)

    def only(self, places: Iterable[int]) -> Sequence[Sample]:
        """See `ReadRows`."""
        return self._all.only(array("q", places))

    @property
    def _all(self) -> StoredSamples:
        if self._stored is None:
            raise ValueError("the rows are still being read")
        return self._stored
