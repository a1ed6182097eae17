"""A report of a comparison that never ran."""

from rilctl.schemas.comparison import ComparedArm, ComparedSeed, ComparisonReport


def compared_arm(name: str, accuracy: float, half: float = 0.03, *, seconds: float | None = 30.0) -> ComparedArm:
    """An arm of one seed.

    Args:
        name: the arm's.
        accuracy: 0 to 1.
        half: of its interval's width.
        seconds: that its verbs took.
    """
    return ComparedArm(
        name=name,
        about=f"what {name} is",
        accuracy=accuracy,
        low=accuracy - half,
        high=min(1.0, accuracy + half),
        response_tokens=115_766,
        seconds=seconds,
        full_size_seconds=None,
        seeds=[ComparedSeed(seed=0, accuracy=accuracy, response_tokens=115_766, seconds=seconds)],
    )


def comparison_report(*arms: ComparedArm, report: str) -> ComparisonReport:
    """A report of these arms.

    Args:
        arms: at least one.
        report: path of the page.
    """
    return ComparisonReport(
        recipe="quickstart",
        questions=1000,
        left_out=0,
        pilot=None,
        budget="every arm trains for the recipe's steps",
        arms=[*arms],
        paired=[],
        shared=[],
        advice=f"use `{arms[0].name}`",
        artifacts={"report": report},
        seconds=1.5,
    )
