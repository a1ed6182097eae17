"""The rollouts of a run that is under way: JSON Lines under `resume/`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rilctl.artifacts.log_file import LogFile
from rilctl.schemas.records import RolloutRecord


class RolloutLog:
    """Appends a step's rows; `read` gives them all back.

    Args:
        directory: the run's scratch directory.
    """

    def __init__(self, directory: Path) -> None:
        self.file = LogFile(directory / "rollouts.jsonl")

    def append(self, records: Sequence[RolloutRecord]) -> None:
        """Add a step's rows; they are with the operating system when this returns."""
        self.file.append(record.model_dump_json() + "\n" for record in records)

    def read(self) -> Iterator[RolloutRecord]:
        """All rows, in order. Raises `ArtifactError` where they aren't those that were appended."""
        self.file.check(hint=f"delete `{self.file.path.parent}` to start over")
        with self.file.path.open(encoding="utf-8") as file:
            for line in file:
                yield RolloutRecord.model_validate_json(line)
