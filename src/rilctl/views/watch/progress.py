"""How far a run is, and what its steps take."""

from dataclasses import dataclass

from rilctl.views.runs.series import Series
from rilctl.views.runs.view import RunView

_NEWEST = 20
"""Steps of which rates are the mean."""
_ENDING = "_s"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Args:
        step: the newest that is noted; None: none is.
        num_steps: that the recipe asks for; None where it counts otherwise.
        step_s: seconds of a step, the mean of the newest; None where none is known.
        taken_s: seconds of all steps.
        phases: the share of each phase in the newest steps, the largest first.
    """

    step: int | None
    num_steps: int | None
    step_s: float | None
    taken_s: float
    phases: list[tuple[str, float]]

    @property
    def left_s(self) -> float | None:
        """Seconds until the last step, if the others take what the newest took."""
        if self.step is None or self.num_steps is None or self.step_s is None:
            return None
        return max(0, self.num_steps - self.step) * self.step_s


def progress_of(run: RunView, metrics: Series, timings: Series) -> Progress:
    """How far a run is, by what it has noted."""
    step = max((points[-1][0] for points in metrics.values()), default=None)
    seconds = {name.removesuffix(_ENDING): points for name, points in timings.items() if name.endswith(_ENDING)}
    steps = sorted({at for points in seconds.values() for at, _ in points if at > 0})[-_NEWEST:]
    newest = {name: sum(value for at, value in points if steps and at >= steps[0]) for name, points in seconds.items()}
    together = sum(newest.values())
    shares = [(name.replace("_", " "), value / together) for name, value in newest.items() if together > 0]
    return Progress(
        step=step,
        num_steps=_planned(run),
        step_s=together / len(steps) if steps else None,
        taken_s=sum(value for points in seconds.values() for _, value in points),
        phases=sorted(shares, key=lambda share: -share[1]),
    )


def _planned(run: RunView) -> int | None:
    table = run.recipe.get(run.verb)
    asked = table.get("num_steps") if isinstance(table, dict) else None
    return asked if isinstance(asked, int) else None
