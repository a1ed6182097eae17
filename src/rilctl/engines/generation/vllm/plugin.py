"""A plugin of vLLM, which loads it in each of its processes: its engine's process ends with ours, however ours ended.

vLLM's workers watch their engine by themselves; its engine watches nobody. Where no process of ours has said so in the
environment, as for a server that somebody else starts, the plugin does nothing.
"""

import os
import signal

from rilctl.engines.child import die_with

PARENT = "RILCTL_VLLM_PARENT"
"""Names the process that vLLM runs for."""


def end_with_parent() -> None:
    """Called by vLLM, perhaps several times in one process."""
    parent = int(os.environ.get(PARENT, "0"))
    if os.getppid() == parent:
        die_with(parent, signal.SIGKILL)  # there is nothing to put away, and its workers end with it
    elif parent and not _runs(parent):
        os.kill(os.getpid(), signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
