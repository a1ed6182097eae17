"""How long a run will take, from figures that somebody measured; without one there is no estimate."""

from collections.abc import Mapping, Sequence
from statistics import fmean


def seconds_per_step(rows: Sequence[Mapping[str, float]]) -> float | None:
    """Mean seconds of a step from the rows of a `timings.jsonl`: the sum of its phases. None: there is no row.

    Step 0 is what comes before the first step.
    """
    sums = [sum(value for name, value in row.items() if name.endswith("_s")) for row in rows if row["step"]]
    return fmean(sums) if sums else None


def seconds_of_tokens(
    generated: int, trained: int, generated_per_s: float | None, trained_per_s: float | None
) -> float | None:
    """Seconds for so many tokens, one after the other; None where a rate that is needed is not stated."""
    total = 0.0
    for tokens, rate in ((generated, generated_per_s), (trained, trained_per_s)):
        if tokens and rate is None:
            return None
        total += tokens / rate if rate else 0.0
    return total
