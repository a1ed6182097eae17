"""How torch's CPU threads wait for one another: asleep. And what mustn't see Python end."""

import os

LINGERING: set[str] = set()
"""Whose threads of a library hang, or outlive their work: they would hold up Python's usual end, or abort the process
in its midst (gloo's do where they still hold a tensor), so it ends without."""

_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""By which a person decides it."""


def wait_asleep() -> None:
    """Let threads of OpenMP sleep while they wait, unless a person has said otherwise; before torch is loaded.

    They spin as it comes: a core that another process needs, or has, is burnt by waiting for it. See
    `benchmarks/threads.py`. What is computed doesn't depend on it.
    """
    if not any(name in os.environ for name in _POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "passive"
