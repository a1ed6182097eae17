"""What a run's metrics say of its discriminator, in a few figures that are kept with the result."""

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

Rows = Sequence[Mapping[str, float]]
"""Metrics of steps, in order."""
HELD_OUT = ("length_only_accuracy", "balanced_accuracy", "swap_auc")
"""Of a discriminator after pretraining, on held-out questions."""


def of_pretraining(measured: Mapping[str, float]) -> dict[str, float]:
    """Those of `HELD_OUT` that the discriminator's manifest has."""
    found = {name: measured.get(f"held_out/{name}") for name in HELD_OUT}
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def of_training(rows: Rows) -> dict[str, float]:
    """`similarity` and `similarity_sd`: mean over the last third of the steps, and how much it swings between them."""
    rewards = [row["reward/similarity_student"] for row in rows if "reward/similarity_student" in row]
    late = rewards[-(len(rewards) // 3) :] if len(rewards) >= 3 else []
    return {"similarity": round(fmean(late), 4), "similarity_sd": round(pstdev(late), 4)} if late else {}


def last(rows: Rows, name: str) -> float | None:
    """The latest value of a metric; None: there is none."""
    return next((row[name] for row in reversed(rows) if name in row), None)
