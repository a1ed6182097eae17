import threading
import time

import pytest

from rilctl.engines.meanwhile import meanwhile


def test_its_value_is_waited_for() -> None:
    with meanwhile(lambda: time.sleep(0.05) or 7, stop=lambda: pytest.fail("stopped"), name="work") as value:
        assert value.result() == 7


def test_what_it_raises_is_raised_where_its_value_is_asked_for() -> None:
    with pytest.raises(ZeroDivisionError), meanwhile(lambda: 1 // 0, stop=lambda: None, name="work") as value:
        value.result()


def test_a_block_that_fails_tells_it_to_stop_and_doesn_t_wait_long() -> None:
    told, hangs, began = threading.Event(), threading.Event(), time.monotonic()
    with pytest.raises(KeyError), meanwhile(lambda: hangs.wait(200), stop=told.set, name="work", leave_s=0.2):
        raise KeyError
    assert told.is_set() and time.monotonic() - began < 60
    hangs.set()
