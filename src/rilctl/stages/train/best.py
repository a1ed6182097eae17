"""The student of the best validation, kept in the run's scratch directory until the run ends."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from rilctl.artifacts.check import check_file, refuse_others
from rilctl.artifacts.commit import describe_all
from rilctl.artifacts.layout import fsync_directory, remove_tree
from rilctl.schemas.manifest import FileEntry


class BestStudent:
    """Keeps at most two: the one that the newest checkpoint knows of, and a better one since.

    A run that is killed goes on from the checkpoint, and what is validated then need not be what was validated before.

    Args:
        directory: the run's scratch directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._settled: int | None = None

    def path(self, step: int) -> Path:
        """Where the student of a step's validation is."""
        return self._directory / f"best-{step:08d}"

    def keep(self, step: int, save: Callable[[Path], object]) -> list[FileEntry]:
        """Keep the student as it is after `step`.

        Args:
            step: whose validation was the best.
            save: writes it into a directory.

        Returns:
            Its files, which are on the disk.
        """
        self._forget_all_but(self._settled)
        staging = self._directory / "best.writing"
        shutil.rmtree(staging, ignore_errors=True)
        save(staging)
        entries = describe_all(staging)
        shutil.rmtree(self.path(step), ignore_errors=True)
        staging.rename(self.path(step))
        fsync_directory(self._directory)
        return entries

    def check(self, step: int | None, entries: Sequence[FileEntry], *, hint: str) -> None:
        """Raise `ArtifactError` where the student that a checkpoint knows of, if any, isn't as it was kept."""
        if step is not None:
            refuse_others(self.path(step), {entry.path for entry in entries}, hint=hint)
            for entry in entries:
                check_file(self.path(step), entry, hint=hint)

    def settle(self, step: int | None) -> None:
        """A checkpoint says that this step's is the best so far (None: there is none); forget all others."""
        self._settled = step
        self._forget_all_but(step)

    def _forget_all_but(self, step: int | None) -> None:
        for path in self._directory.glob("best-*"):
            if step is None or path != self.path(step):
                remove_tree(path)
