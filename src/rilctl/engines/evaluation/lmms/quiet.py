"""lmms-eval prints results, logs every step and draws bars; ours is the only voice that a person hears."""

import contextlib
import io
import warnings
from collections.abc import Iterator

import datasets
from lmms_eval import evaluator
from lmms_eval.api import task as task_module


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, neither stdout nor bars, log lines or warnings come through; errors are raised as ever."""
    evaluator.eval_logger.remove()
    bars = {module: module.tqdm for module in (evaluator, task_module)}
    for module in bars:
        module.tqdm = _NoBar
    shows_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, bar in bars.items():
            module.tqdm = bar
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
