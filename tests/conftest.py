"""What all tests begin with."""

import signal


def pytest_configure() -> None:
    """Processes that tests start hear SIGHUP, also where the tests themselves run under `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
