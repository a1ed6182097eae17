"""Compared arms side by side, for people."""

from collections.abc import Sequence

from rilctl.markdown import table
from rilctl.schemas.comparison import ComparedArm

HEADER = ("arm", "accuracy", "95 % interval", "seeds", "response tokens", "time")


def percent(share: float) -> str:
    """With one decimal."""
    return f"{share * 100:.1f} %"


def said_seconds(seconds: float) -> str:
    """In the largest unit that leaves a number of two digits or so."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def arm_cells(arms: Sequence[ComparedArm]) -> list[tuple[str, ...]]:
    """The table's cells in the order of `HEADER`."""
    return [
        (
            arm.name,
            percent(arm.accuracy),
            f"{arm.low * 100:.1f} to {arm.high * 100:.1f}",
            f"{len(arm.seeds)}",
            f"{arm.response_tokens:,}",
            "-" if arm.seconds is None else said_seconds(arm.seconds),
        )
        for arm in arms
    ]


def markdown_table(arms: Sequence[ComparedArm]) -> str:
    """The table in Markdown, with what each arm is; numbers aligned to the right."""
    lines = [(f"`{name}`", arm.about, *cells) for arm, (name, *cells) in zip(arms, arm_cells(arms), strict=True)]
    return table((HEADER[0], "what it is", *HEADER[1:]), lines, numbers_from=2)
