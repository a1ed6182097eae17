"""Something that is done while this thread does something else."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def meanwhile(
    work: Callable[[], T], *, stop: Callable[[], object], name: str, leave_s: float = 3.0
) -> Iterator[Future[T]]:
    """Do `work` in a thread while the block runs; yields its value to be, which raises what it raised.

    If the block fails, nobody waits for the work, which may hang.

    Args:
        work: what is done.
        stop: tells it to stop, if the block fails.
        name: of the thread.
        leave_s: how long work that was told to stop may take to do so, before it is left behind.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # raised where its value is asked for
            done.set_exception(error)

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield done
    except BaseException:
        stop()
        thread.join(leave_s)
        raise
    thread.join()
