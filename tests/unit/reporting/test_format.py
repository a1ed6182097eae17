import pytest

from rilctl.reporting import format


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (7390, "2 h 3 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert format.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (3.0, "3"), (0.123456, "0.1235"), (1e-6, "1e-06"), (1e9, "1e+09"), ("x", "x")]
)
def test_number(value: float | str, text: str) -> None:
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 B"), (999, "999 B"), (3_140_000, "3.14 MB"), (139e9, "139 GB"), (2e12, "2 TB")]
)
def test_size(num_bytes: float, text: str) -> None:
    assert format.size(int(num_bytes)) == text


def test_progress_rates_only_what_was_done_in_this_run() -> None:
    line = format.progress(done=120, total=512, unit="questions", num_new=20, elapsed_s=5, metrics={"loss": 0.31234})
    assert line == "120/512 questions, 4/s, 1 min 38 s left, loss 0.3123"


def test_progress_of_slow_work_and_of_none() -> None:
    slow = format.progress(done=2, total=3, unit="steps", num_new=2, elapsed_s=7, metrics={})
    assert slow == "2/3 steps, 3.5 s each, 4 s left"
    assert format.progress(done=2, total=3, unit="steps", num_new=0, elapsed_s=1, metrics={}) == "2/3 steps"
    assert format.progress(done=3, total=3, unit="steps", num_new=3, elapsed_s=1, metrics={}) == "3/3 steps, 3/s"
