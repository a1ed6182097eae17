"""Pictures that are looked for while the view goes on: a data set may take long to read."""

from threading import Thread
from typing import TYPE_CHECKING

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.schemas.records import RolloutRecord
from rilctl.views.report.sources import find_pictures
from rilctl.views.runs.view import RunView

if TYPE_CHECKING:
    from PIL.Image import Image


class PicturesAhead:
    """Finds one picture at a time, in a thread that nobody waits for at the end.

    Args:
        run: whose rows have pictures.
    """

    def __init__(self, run: RunView) -> None:
        self._run = run
        self._images: dict[str, list[ImageRef]] | None = None
        self._thread: Thread | None = None
        self._found: tuple[tuple[str, str], Image | None] | None = None

    def get(self, row: RolloutRecord, *, wait_s: float = 0.0) -> "Image | None":
        """The first picture of a row; None where it has none, or it isn't found yet.

        Args:
            row: of the run.
            wait_s: so long it is waited for.
        """
        if not row.image_digests:
            return None
        wanted = (row.sample_id, row.image_digests[0])
        if self._thread is None and (self._found is None or self._found[0] != wanted):
            self._thread = Thread(target=self._find, args=(wanted,), daemon=True)
            self._thread.start()
        if self._thread is not None:
            self._thread.join(wait_s)
            if not self._thread.is_alive():
                self._thread = None
        return self._found[1] if self._found is not None and self._found[0] == wanted else None

    def _find(self, wanted: tuple[str, str]) -> None:
        self._found = (wanted, self._load(*wanted))

    def _load(self, sample_id: str, digest: str) -> "Image | None":
        """None where the data set isn't here, or has another picture there. The set is read once."""
        if self._images is None:
            self._images = find_pictures([self._run], None, [])
        for image in self._images.get(sample_id, ()):
            try:
                if image.digest == digest:
                    return image.load()
            except (RowError, OSError):
                continue
        return None
