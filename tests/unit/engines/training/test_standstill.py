"""What counts as standing still: the main thread, looked at from another one."""

import threading
import time
from collections.abc import Callable

from rilctl.engines.meanwhile import meanwhile
from rilctl.engines.training.standstill import Standstill, whereabouts


def watched(work: Callable[[], object], on_look: Callable[[float], object] = lambda seconds: None) -> list[float]:
    """What was seen while this thread, the main one, did that."""
    standstill, is_over, seen = Standstill(), threading.Event(), list[float]()

    def look() -> None:
        while not is_over.wait(0.1):
            seen.append(standstill.look())
            on_look(seen[-1])

    looker = threading.Thread(target=look)
    looker.start()
    work()
    is_over.set()
    looker.join()
    return seen


def test_a_thread_that_waits_stands_still() -> None:
    stood = threading.Event()
    watched(lambda: stood.wait(60), lambda seconds: seconds > 1 and stood.set())
    assert stood.is_set()


def test_a_thread_that_computes_doesn_t() -> None:
    def compute() -> None:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            sum(range(10_000))

    assert max(watched(compute)) < 2


def test_nor_does_one_that_waits_for_another_thread_that_computes() -> None:
    def compute() -> None:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            sum(range(10_000))

    def wait() -> None:
        worker = threading.Thread(target=compute)
        worker.start()
        worker.join()

    assert max(watched(wait)) < 2


def test_where_it_is_in_our_code() -> None:
    seen = list[str]()

    def look() -> None:
        time.sleep(0.2)
        seen.append(whereabouts())

    with meanwhile(look, stop=lambda: None, name="look"):
        pass  # it is waited for where the block ends
    assert seen[0].startswith("engines/meanwhile.py:")
