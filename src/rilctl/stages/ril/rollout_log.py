"""The rollouts of a run that is under way: JSON Lines under `resume/`, cut back to a checkpoint on resume."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rilctl.artifacts.layout import write_atomic
from rilctl.schemas.records import RolloutRecord


class RolloutLog:
    """Appends a step's rows; `read` gives them all back.

    Args:
        directory: the run's scratch directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "rollouts.jsonl"

    def append(self, records: Sequence[RolloutRecord]) -> None:
        """Add a step's rows; they are with the operating system when this returns."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(record.model_dump_json() + "\n" for record in records)

    def truncate_to(self, step: int) -> None:
        """Drop rows of later steps, and a last line that a kill cut short."""
        if not self._path.exists():
            return
        kept = []
        for line in self._path.read_bytes().splitlines(keepends=True):  # bytes: text would be cut at U+2028 as well
            if not line.endswith(b"\n") or RolloutRecord.model_validate_json(line).step > step:
                break
            kept.append(line)
        write_atomic(self._path, b"".join(kept))

    def read(self) -> Iterator[RolloutRecord]:
        """All rows, in order."""
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                yield RolloutRecord.model_validate_json(line)
