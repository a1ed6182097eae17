"""What is known of a metric: one record says everything that logs, bars, pictures and pages say of it."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rilctl.config.recipe import Verb

Unit = Literal[
    "", "share", "nats", "logit", "tokens", "rows", "questions", "canaries", "steps", "tensors", "looks", "price"
]
"""`share`: from 0 to 1; `price`: in the currency of the endpoint's prices; empty: a number without one."""
Over = Literal[
    "",
    "tokens",
    "policy tokens",
    "student tokens",
    "teacher tokens",
    "sft tokens",
    "rows",
    "student rows",
    "teacher rows",
    "pairs",
    "groups",
    "questions",
    "canaries",
    "sum",
    "step",
    "run",
]
"""What a mean is taken over, of all ranks together. `sum`: added up over the batch; `step`: as it is after the step;
`run`: counted since the run began; empty: the meaning says it."""


@dataclass(frozen=True)
class Panel:
    """A metric's place in the picture of a run.

    Args:
        place: from the left.
        title: above it.
        about: what it counts.
        bounds: metrics that are the ends of its interval; None: it has none, is noisy, and is smoothed.
    """

    place: int
    title: str
    about: str
    bounds: tuple[str, str] | None = None


@dataclass(frozen=True)
class Metric:
    """A metric, or all that are alike but for a name.

    Args:
        name: as it is written. A part in capitals stands for any name: `reward/NAME_student`.
        unit: of its values.
        over: how values are averaged, or added up.
        meaning: what it says, for a person.
        verbs: who writes it.
        side: whose rows it is of; None: both sides', or nobody's.
        when: under which condition it is written; empty: always, if there is anything to compute it from.
        bar: verbs that show it beside the progress bar.
        headline: whether `train` shows it in its closing summary.
        panel: its place in the picture of a run; None: it has none.
        made_of: sums that it is computed from, which are averaged alike and not written.
    """

    name: str
    unit: Unit
    over: Over
    meaning: str
    verbs: tuple[Verb, ...] = ("train",)
    side: Literal["student", "teacher"] | None = None
    when: str = ""
    bar: tuple[Verb, ...] = ()
    headline: bool = False
    panel: Panel | None = None
    made_of: tuple[str, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"[A-Z]+", r"[^/]+", re.escape(self.name)))

    def matches(self, name: str) -> bool:
        """Whether a name is this metric's, or one of them."""
        return self._pattern.fullmatch(name) is not None
