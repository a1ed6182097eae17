"""The folders through which `rilctl --gpus` and its ranks talk, and whether anybody still does."""

import fcntl
import socket
from pathlib import Path
from typing import Final

LAUNCH_PREFIX: Final = ".launch-"
ALIVE: Final = "alive"
"""The process that started the ranks holds a lock on it, which ends with it."""
LAUNCH_HOST: Final = "host"
"""Has the name of its host."""


def is_launch_over(directory: Path) -> bool:
    """Whether the process that started the ranks ran on this host, and is gone."""
    if not (directory / LAUNCH_HOST).exists() or (directory / LAUNCH_HOST).read_text() != socket.gethostname():
        return False
    with (directory / ALIVE).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
