"""lmms-eval prints results, logs every step and draws bars; ours is the only voice that a person hears."""

import contextlib
import io
import warnings
from collections.abc import Iterator

import datasets

from rilctl.private.lmms_eval import without_bars


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, neither stdout nor bars, log lines or warnings come through; errors are raised as ever."""
    shows_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with without_bars(_NoBar), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shows_bars:
            datasets.enable_progress_bars()


class _NoBar:
    """Stands where tqdm stood."""

    def __init__(self, iterable: object = (), **_: object) -> None:
        self._iterable = iterable

    def __iter__(self) -> Iterator[object]:
        yield from self._iterable  # type: ignore[misc]

    def update(self, *_: object) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing is open."""
