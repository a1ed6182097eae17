"""What all tests begin with."""

import signal

from hypothesis import settings

# The same examples at every run, and no deadline for any of them; `--hypothesis-profile=default` draws others.
settings.load_profile("ci")


def pytest_configure() -> None:
    """Processes that tests start hear SIGHUP, also where the tests themselves run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
