from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from rilctl.clock import Clock, timed


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless a test lets it pass."""
    time = [100.0]
    monkeypatch.setattr("rilctl.clock.time.perf_counter", lambda: time[0])
    return time


def test_every_second_belongs_to_the_innermost_phase(now: list[float]) -> None:
    clock = Clock()
    with clock.running():
        now[0] += 1
        with timed("discriminator update"):
            now[0] += 2
            with timed("scoring"):
                now[0] += 4
            with timed("turns"):
                now[0] += 8
            now[0] += 16
        with timed("scoring"):
            now[0] += 32
        now[0] += 64
    taken = clock.take()
    assert taken == {"other_s": 65.0, "discriminator_update_s": 18.0, "scoring_s": 36.0, "turns_s": 8.0}
    assert sum(taken.values()) == now[0] - 100
    assert clock.take() == {"other_s": 0.0}


def test_a_phase_that_is_read_half_way_through_is_divided(now: list[float]) -> None:
    clock = Clock()
    with clock.running(), timed("checkpoint"):
        now[0] += 1
        assert clock.take() == {"checkpoint_s": 1.0, "other_s": 0.0}
        now[0] += 2
    assert clock.take() == {"checkpoint_s": 2.0, "other_s": 0.0}


def test_a_phase_ends_where_something_fails_in_it(now: list[float]) -> None:
    clock = Clock()
    with clock.running():
        with pytest.raises(ZeroDivisionError), timed("reference"):
            now[0] += 1
            raise ZeroDivisionError
        now[0] += 2
    assert clock.take() == {"other_s": 2.0, "reference_s": 1.0}


def test_without_a_clock_and_in_other_threads_nothing_is_timed(now: list[float]) -> None:
    def ask() -> None:
        with timed("validation"):
            now[0] += 1

    ask()
    clock = Clock()
    with clock.running():
        thread = Thread(target=ask)
        thread.start()
        thread.join()
    ask()
    assert clock.take() == {"other_s": 2.0}


def test_a_profiler_sees_each_phase_from_inside(now: list[float]) -> None:
    clock, seen = Clock(), list[str]()

    @contextmanager
    def span(name: str) -> Iterator[None]:
        seen.append(f"{name} begins")
        yield
        now[0] += 1  # waits for the device
        seen.append(f"{name} ends")

    clock.span = span
    with clock.running(), timed("policy update"), timed("reference"):
        pass
    assert seen == ["policy update begins", "reference begins", "reference ends", "policy update ends"]
    assert clock.take() == {"other_s": 0.0, "policy_update_s": 1.0, "reference_s": 1.0}
