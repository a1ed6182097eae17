"""How torch's CPU threads wait for one another: asleep. And which threads of this process may never end."""

import os

HANGING: set[str] = set()
"""Names of threads that hang in a library: it would hang as well, or abort, where Python ends in the usual way."""

_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""By which a person decides it."""


def wait_asleep() -> None:
    """Let threads of OpenMP sleep while they wait, unless a person has said otherwise; before torch is loaded.

    They spin as it comes: a core that another process needs, or has, is burnt by waiting for it. See
    `benchmarks/threads.py`. What is computed doesn't depend on it.
    """
    if not any(name in os.environ for name in _POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "passive"
