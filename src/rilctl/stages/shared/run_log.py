"""What a verb that trains notes of its steps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rilctl.artifacts.layout import TRACKERS
from rilctl.artifacts.log_file import LogFile
from rilctl.artifacts.runs import Run
from rilctl.clock import Clock
from rilctl.engines.training.ranks import Ranks
from rilctl.reporting.metrics import MetricsLog
from rilctl.reporting.mirrors import Mirrors
from rilctl.stages.shared.context import StageContext
from rilctl.trackers.base import TrackedRun


class RunLog:
    """Both logs of a run, the clock between two of their lines, and the trackers that mirror them.

    Args:
        context: the stage's surroundings.
        run: whose they are.
        ranks: this process among those that train; rank 0 writes.
    """

    def __init__(self, context: StageContext, run: Run, ranks: Ranks) -> None:
        self._log = MetricsLog(run.path, writes=ranks.is_main)
        self._ranks = ranks
        self.clock = Clock()
        told = TrackedRun(f"{context.recipe_name}/{run.verb}", run.config, run.path / TRACKERS, first_step=0)
        names = context.recipe.tracking.to if ranks.is_main else ()
        self._mirrors = Mirrors(names, told, warn=context.reporter.warn)

    @property
    def files(self) -> tuple[LogFile, ...]:
        """What a checkpoint marks."""
        return self._log.files

    @contextmanager
    def running(self) -> Iterator[None]:
        """Steps are taken inside."""
        self.clock = Clock()
        try:
            with self.clock.running():
                yield
        finally:
            self._mirrors.finish()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note what was measured in a step, and what the phases took since the line before. Collective.

        Raises:
            RilctlError: a value is not finite.
        """
        timings = self.clock.take()
        with self._ranks.together():
            self._log.write(step, metrics, timings)
            self._mirrors.log(step, {**metrics, **{f"timings/{key}": seconds for key, seconds in timings.items()}})
