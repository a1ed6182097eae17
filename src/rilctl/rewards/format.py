"""`type = "format"`: a regular expression."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from rilctl.rewards.base import RewardRow, RewardTable, Score


class FormatReward(RewardTable):
    """1 for a response that matches a regular expression from its beginning to its end, else 0."""

    type: Literal["format"] = "format"
    pattern: str
    """Python's syntax; white space around the response doesn't count, and `.` matches no line break without `(?s)`."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern

    def open(self, base_dir: Path) -> Score:
        """See `RewardTable`."""
        return partial(matches, pattern=re.compile(self.pattern))


REWARD = FormatReward


def matches(rows: Sequence[RewardRow], *, pattern: re.Pattern[str]) -> list[float]:
    """1.0 where the whole response matches, else 0.0."""
    return [float(pattern.fullmatch(row.response.strip()) is not None) for row in rows]
