"""Looking at the pictures of rows: which rows can be used, and what their pictures are known by."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from rilctl.data.once.digests import FEWEST, PictureDigests
from rilctl.data.once.kept import Kept
from rilctl.data.sample import ImageRef, Sample
from rilctl.errors import RowError

AT_ONCE = 50_000
"""Rows whose pictures are looked at before what was found is kept."""
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class Checker:
    """Checks pictures, and reads none for its digest that was read before and hasn't changed.

    Args:
        workers: threads that read; 0: none of their own.
        kept: where digests are kept; None: nowhere.
        headers_only: of a file no more is read than the header, and nobody asks for digests.
    """

    def __init__(self, workers: int = 0, kept: Kept | None = None, *, headers_only: bool = False) -> None:
        self._workers, self._headers_only = workers, headers_only
        self._kept = None if headers_only else kept
        self._digests: PictureDigests | None = None

    def errors(self, samples: Sequence[Sample]) -> list[RowError | None]:
        """What is wrong with the first bad picture of each row; None where there is none."""
        images = [image for sample in samples for image in sample.images]
        if self._kept is not None and (self._digests is not None or len(images) >= FEWEST):
            self._look_up(self._kept, images)
        return threaded(self._error, samples, self._workers)

    def _look_up(self, kept: Kept, images: Sequence[ImageRef]) -> None:
        """Read what isn't known yet, each file once, while other processes wait for what is found."""
        self._digests = self._digests or PictureDigests(kept)
        missing = self._digests.look_up(images)
        if len(missing) < FEWEST or not kept.writes:
            self._read(self._digests, missing, images)
            return
        with kept.forgiving(), kept.alone("pictures", "looks at the pictures of a data set"):
            self._digests.look_again()
            self._read(self._digests, self._digests.look_up(images), images)

    def _read(self, digests: PictureDigests, missing: Sequence[ImageRef], images: Sequence[ImageRef]) -> None:
        threaded(_try, missing, self._workers)
        digests.add(missing)
        digests.look_up(images)
        digests.flush()

    def _error(self, sample: Sample) -> RowError | None:
        try:
            for image in sample.images:
                if self._headers_only:
                    image.check_header()
                elif image.found is None:
                    image.check()
        except RowError as error:
            return error
        return None


def threaded(function: Callable[[_Item], _Made], items: Iterable[_Item], workers: int) -> list[_Made]:
    """What the function makes of each, in order; on threads where asked for: Pillow decodes without the GIL."""
    if workers == 0:
        return list(map(function, items))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def _try(image: ImageRef) -> None:
    with suppress(RowError):  # the row that shows it says so
        image.check()
