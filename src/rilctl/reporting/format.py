"""Numbers, durations, sizes and progress as a person reads them; pure functions."""

from collections.abc import Mapping


def duration(seconds: float) -> str:
    """`8 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def number(value: float | str) -> str:
    """Four significant digits; whole numbers and text as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e6):
        return str(int(value))
    return f"{value:.4g}"


def count(value: float) -> str:
    """`24`, `9,600`, `24.6 M`, `3.75 B`: whole numbers up to a million."""
    for unit, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def size(num_bytes: int) -> str:
    """`912 B`, `3.1 MB`, `139 GB`, in powers of 1000."""
    value = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def progress(*, done: int, total: int, unit: str, num_new: int, elapsed_s: float, metrics: Mapping[str, float]) -> str:
    """`120/512 questions, 3.2/s, 2 min left, loss 0.31`.

    Args:
        done: units that are done.
        total: units there are.
        unit: their name.
        num_new: of `done`, those that were done in `elapsed_s`; a resumed run has done less than it shows.
        elapsed_s: seconds since the work began.
        metrics: newest values.
    """
    parts = [f"{done}/{total} {unit}"]
    if num_new > 0 and elapsed_s > 0:
        rate = num_new / elapsed_s
        parts.append(f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each")
        if done < total:
            parts.append(f"{duration((total - done) / rate)} left")
    parts += [f"{name} {number(value)}" for name, value in metrics.items()]
    return ", ".join(parts)


def age(seconds: float) -> str:
    """`8 s`, `5 min`, `3 h`, `12 d`: one unit, rounded down; days are the largest, as they are what one prunes by."""
    for unit, factor in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= factor:
            return f"{int(seconds // factor)} {unit}"
    return f"{int(seconds)} s"
