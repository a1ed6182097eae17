"""Accuracies of several students side by side."""

from collections.abc import Sequence
from typing import Literal

from rilctl.schemas.base import StrictModel

Arm = Literal["base", "sft", "sft_teacher", "dr_grpo", "ril"]
"""The students that the quickstart compares."""

ARM_TITLES: dict[str, str] = {
    "base": "base",
    "sft": "SFT",
    "sft_teacher": "SFT on teacher answers",
    "dr_grpo": "Dr.GRPO",
    "ril": "RIL",
}
"""How a person reads the names of the arms; other names stand as they are."""


class AccuracyRow(StrictModel):
    """One student on one suite."""

    name: str
    """Which student."""
    accuracy: float
    """Share of the questions answered right, 0 to 1."""
    low: float
    """Lower end of the confidence interval."""
    high: float
    """Upper end of the confidence interval."""
    questions: int
    """How many questions were asked."""


HEADER = ("student", "accuracy", "95 % interval", "questions")


def accuracy_cells(rows: Sequence[AccuracyRow]) -> list[tuple[str, str, str, str]]:
    """The table's cells in the order of `HEADER`, in per cent with one decimal."""
    return [
        (
            ARM_TITLES.get(row.name, row.name),
            f"{row.accuracy * 100:.1f} %",
            f"{row.low * 100:.1f} to {row.high * 100:.1f}",
            f"{row.questions:,}",
        )
        for row in rows
    ]


def markdown_table(rows: Sequence[AccuracyRow]) -> str:
    """The table in Markdown, numbers aligned to the right."""
    lines = [HEADER, ("---", "---:", "---:", "---:"), *accuracy_cells(rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
