"""Comparisons in the folders that a report was asked for: `comparison.json` of `rilctl compare` and the quickstart."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from rilctl.artifacts.layout import read_regular
from rilctl.schemas.comparison import ComparisonReport

FILE = "comparison.json"


def comparisons_at(paths: Iterable[Path], notes: list[str]) -> list[ComparisonReport]:
    """Each once, however many of the folders hold it; one that can't be read is noted."""
    found: dict[Path, ComparisonReport] = {}
    for path in paths:
        for file in _files(path):
            try:
                found[file.parent] = ComparisonReport.model_validate_json(read_regular(file))
            except (OSError, ValidationError, ValueError) as error:
                notes.append(f"`{file}` can't be read: {str(error).splitlines()[0]}")
    return [*found.values()]


def _files(path: Path) -> Sequence[Path]:
    """Of the folder itself, of the one below it, and of a workspace's recipes."""
    return [file for pattern in (FILE, f"*/{FILE}", f"*/*/{FILE}") for file in sorted(path.glob(pattern))]
