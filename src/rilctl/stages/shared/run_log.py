"""What a verb that trains notes of its steps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rilctl.artifacts.log_file import LogFile
from rilctl.artifacts.runs import Run
from rilctl.clock import Clock
from rilctl.engines.training.ranks import Ranks
from rilctl.reporting.metrics import MetricsLog
from rilctl.reporting.mirror import Mirrored
from rilctl.reporting.mirrors import Mirrors
from rilctl.reporting.shown_rows import Pictures, no_pictures
from rilctl.stages.shared.context import StageContext


class RunLog:
    """Both logs of a run, the clock between two of their lines, and the trackers that mirror them.

    Args:
        context: the stage's surroundings.
        run: whose they are.
        ranks: this process among those that train; rank 0 writes.
        pictures: where the pictures of its rollouts are, if it has any.
    """

    def __init__(self, context: StageContext, run: Run, ranks: Ranks, pictures: Pictures = no_pictures) -> None:
        self._log = MetricsLog(run.path, writes=ranks.is_main)
        self._ranks = ranks
        self.clock = Clock()
        mirrored = Mirrored(run.path, f"{context.recipe_name}/{run.verb}", run.config, run.inputs, pictures)
        names = context.recipe.tracking.to if ranks.is_main else ()
        self._mirrors = Mirrors(names, mirrored, warn=context.reporter.warn)
        run.at_end.callback(self._mirrors.finish)

    @property
    def files(self) -> tuple[LogFile, ...]:
        """What a checkpoint marks."""
        return self._log.files

    @contextmanager
    def running(self) -> Iterator[None]:
        """Steps are taken inside."""
        self.clock = Clock()
        with self.clock.running():
            yield

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Note what was measured in a step, and what the phases took since the line before. Collective.

        Raises:
            RilctlError: a value is not finite.
        """
        timings = self.clock.take()
        with self._ranks.together():
            self._log.write(step, metrics, timings)
            self._mirrors.log(step)
