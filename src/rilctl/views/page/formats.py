"""Numbers for people: filters of the page's templates."""

from collections.abc import Callable
from datetime import datetime

from rilctl.schemas.report_result import Score

_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def percent(share: float) -> str:
    """`0.275` as `27.5 %`; whole where nothing stands behind the point."""
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def percent_score(score: Score) -> str:
    """A share and its interval: `98 % (95 to 99 %)`."""
    if score.low is None or score.high is None:
        return percent(score.value)
    return f"{percent(score.value)} ({percent(score.low).removesuffix(' %')} to {percent(score.high)})"


def points_score(score: Score) -> str:
    """Points and their interval: `64.2 (60.1 to 68.0)`."""
    if score.low is None or score.high is None:
        return f"{score.value:.1f}"
    return f"{score.value:.1f} ({score.low:.1f} to {score.high:.1f})"


def duration(seconds: float) -> str:
    """`75` as `1 min 15 s`, `4000` as `1 h 7 min`."""
    if seconds < 60:
        if seconds < 0.05:
            return "0 s"
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def amount(number: float) -> str:
    """`820000` as `820 k`, `7.6e9` as `7.6 B`."""
    for scale, letter in _SCALES:
        if abs(number) >= scale:
            return f"{number / scale:.3g} {letter}"
    return f"{number:g}"


def size(num_bytes: int) -> str:
    """`1500000` as `1.5 MB`."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:.0f} kB"


def count(number: int) -> str:
    """`12000` as `12,000`."""
    return f"{number:,}"


def moment(iso: str) -> str:
    """`2026-11-28T00:17:03+00:00` as `28 Nov 2026, 00:17 UTC`; as it is where it is no time."""
    try:
        return datetime.fromisoformat(iso).strftime("%d %b %Y, %H:%M UTC").removeprefix("0")
    except ValueError:
        return iso


def plural(number: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def chance(p: float) -> str:
    """A p value: `p = 0.03`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def capped(text: str) -> str:
    """With a capital letter, as titles are written; a run's name keeps its own."""
    return text[:1].upper() + text[1:]


def uncapped(text: str) -> str:
    """With a small letter, as after a colon."""
    return text[:1].lower() + text[1:]


def anchor(target: str) -> str:
    """A finding's target as the id of a part of the page: `chart:reward` as `chart-reward`."""
    return target.replace(":", "-")


def short(digest: str) -> str:
    """The first 12 letters of a digest, without its algorithm."""
    return digest.removeprefix("sha256:")[:12]


FORMATS: dict[str, Callable[..., str]] = {
    "amount": amount,
    "anchor": anchor,
    "capped": capped,
    "chance": chance,
    "count": count,
    "duration": duration,
    "moment": moment,
    "percent": percent,
    "percent_score": percent_score,
    "plural": plural,
    "points_score": points_score,
    "short": short,
    "size": size,
    "uncapped": uncapped,
}
