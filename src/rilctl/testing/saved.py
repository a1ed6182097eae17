"""A training engine's state on the disk, at once."""

from pathlib import Path

from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.disk import Disk


def save_now(engine: TrainingEngine, directory: Path) -> None:
    """Write it, and wait until it is there. Collective; raises what writing raises."""
    with Disk() as disk:
        engine.save(directory, disk)
        disk.wait()
