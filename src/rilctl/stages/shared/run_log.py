"""What a verb that trains notes of its steps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rilctl.artifacts.log_file import LogFile
from rilctl.artifacts.runs import Run
from rilctl.clock import Clock
from rilctl.engines.training.ranks import Ranks
from rilctl.reporting.metrics import MetricsLog


class RunLog:
    """Both logs of a run, and the clock between two of their lines.

    Args:
        run: whose they are.
        ranks: this process among those that train; rank 0 writes.
    """

    def __init__(self, run: Run, ranks: Ranks) -> None:
        self._log = MetricsLog(run.path, writes=ranks.is_main)
        self._ranks = ranks
        self.clock = Clock()

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
        with self._ranks.together():
            self._log.write(step, metrics, self.clock.take())
