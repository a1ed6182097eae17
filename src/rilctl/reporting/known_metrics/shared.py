"""What several rooms of metrics say alike."""

from collections.abc import Iterable
from dataclasses import replace

from rilctl.config.recipe import Verb
from rilctl.reporting.metric import Metric

BAD = "updates of the run so far that weren't taken, as their loss or gradient wasn't finite"
NORM = "of the gradient, before clipping"
WITH_DISC = "with a discriminator"


def in_room(room: str, verbs: tuple[Verb, ...], metrics: Iterable[Metric], when: str = "") -> list[Metric]:
    """Metrics that several rooms have, in one of them."""
    return [replace(each, name=f"{room}{each.name}", verbs=verbs, when=each.when or when) for each in metrics]
