"""What all tests begin with."""

import signal

from hypothesis import settings

settings.load_profile(
    "ci"
)  # the same examples at every run and no deadlines; `--hypothesis-profile=default` draws anew


def pytest_configure() -> None:
    """Processes that tests start hear SIGHUP, also where the tests themselves run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
