"""Students that are kept in a run's scratch directory until it ends: the best one, and those of every so many steps."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rilctl.artifacts.check import check_file, refuse_others
from rilctl.artifacts.commit import describe_all
from rilctl.artifacts.layout import fsync_directory, remove_tree
from rilctl.schemas.manifest import FileEntry

Save = Callable[[Path], object]


def early_student(step: int) -> str:
    """The role of a student that is kept for good, though the run went on."""
    return f"student-{step}"


class KeptStudents:
    """Model directories, each written whole or not at all.

    Args:
        directory: the run's scratch directory.
        kind: begins their names.
    """

    def __init__(self, directory: Path, kind: str) -> None:
        self._directory, self._kind = directory, kind

    def path(self, step: int) -> Path:
        """Where the student of a step is."""
        return self._directory / f"{self._kind}-{step:08d}"

    def keep(self, step: int, save: Save) -> list[FileEntry]:
        """Keep the student as it is after `step`.

        Args:
            step: after which it is this.
            save: writes it into a directory.

        Returns:
            Its files, which are on the disk.
        """
        staging = self._directory / f"{self._kind}.writing"
        shutil.rmtree(staging, ignore_errors=True)
        save(staging)
        entries = describe_all(staging)
        shutil.rmtree(self.path(step), ignore_errors=True)
        staging.rename(self.path(step))
        fsync_directory(self._directory)
        return entries

    def check(self, kept: Mapping[int, Sequence[FileEntry]], *, hint: str) -> None:
        """Raise `ArtifactError` where a student that a checkpoint knows of isn't as it was kept."""
        for step, entries in kept.items():
            refuse_others(self.path(step), {entry.path for entry in entries}, hint=hint)
            for entry in entries:
                check_file(self.path(step), entry, hint=hint)

    def forget_all_but(self, step: int | None) -> None:
        """Forget the students of all other steps; None: of all."""
        for path in self._directory.glob(f"{self._kind}-*"):
            if step is None or path != self.path(step):
                remove_tree(path)


class BestStudent(KeptStudents):
    """At most two: the one that the newest checkpoint knows of, and a better one since.

    A run that is killed goes on from the checkpoint, and what is validated then need not be what was validated before.

    Args:
        directory: the run's scratch directory.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "best")
        self._settled: int | None = None

    def keep(self, step: int, save: Save) -> list[FileEntry]:
        """See `KeptStudents`; `step` is whose validation was the best."""
        self.forget_all_but(self._settled)
        return super().keep(step, save)

    def settle(self, step: int | None) -> None:
        """A checkpoint says that this step's is the best so far (None: there is none); forget all others."""
        self._settled = step
        self.forget_all_but(step)
