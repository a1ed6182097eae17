"""A training engine's state on the disk, at once."""

from pathlib import Path

from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.disk import Disk
from rilctl.engines.training.ranks import Ranks


def save_now(engine: TrainingEngine, directory: Path, ranks: Ranks) -> None:
    """Write it, and wait until it is there, on all ranks. Collective; raises what writing raises."""
    with Disk() as disk:
        engine.save(directory, disk)
        with ranks.together():
            disk.wait()
