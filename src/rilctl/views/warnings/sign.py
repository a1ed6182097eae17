"""A named warning: what it is, when it shows, what it means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Series = Mapping[str, Sequence[tuple[int, float]]]
"""What a run measured: (step, value) by metric, each in the order of steps."""


@dataclass(frozen=True)
class Seen:
    """What a sign saw.

    Args:
        steps: where it shows, the first one first; empty where it is of the whole run.
        says: what was seen, with figures.
    """

    steps: tuple[int, ...]
    says: str


@dataclass(frozen=True)
class Sign:
    """A named warning.

    Args:
        name: stable, for links.
        title: a few words.
        severity: `bad`: what comes after is probably worth little; `look`: worth a look, and may be harmless.
        metric: the metric whose chart shows it.
        when: the threshold, as a page says it.
        why: where the threshold comes from.
        means: what it means where it shows.
        advice: what to try.
        docs: page of the documentation, and its heading, that explain what stands behind it.
        look: finds it in a run's series; None: it doesn't show, or what it needs wasn't measured.
    """

    name: str
    title: str
    severity: Literal["bad", "look"]
    metric: str
    when: str
    why: str
    means: str
    advice: str
    docs: str
    look: Callable[[Series], Seen | None]
