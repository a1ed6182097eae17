"""How an error becomes `error: … / hint: …` and an exit code, and how a process ends because of one."""

import errno
import os
import sys
from typing import NoReturn

from rilctl.cli import output
from rilctl.cli.interrupts import work_is_over
from rilctl.cli.launched import note_what_was_said, wait_for_what_is_said
from rilctl.engines.training.world import find_world
from rilctl.errors import FailedElsewhereError, InterruptedByUser, RilctlError
from rilctl.threads import LINGERING

_FINE = (0, 3)
"""Exit codes of a verb that did its work."""
_NO_PLACE = (FileExistsError, NotADirectoryError, IsADirectoryError)
"""A file is where a folder has to be, or the contrary: the same command again finds it there again."""

_REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check its permissions, or write elsewhere"),
    **dict.fromkeys((errno.ENOENT, errno.EROFS), "see that it is there and can be written to, or write elsewhere"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room on that disk, or write elsewhere"),
}
"""Before the same command again, by the operating system's number."""


def show_error(error: Exception, *, with_traceback: bool) -> int:
    """Say what went wrong, unless another process does.

    Args:
        error: what ended the command.
        with_traceback: where it came from as well.

    Returns:
        The exit code.
    """
    if isinstance(error, FailedElsewhereError):
        wait_for_what_is_said()
        return error.code
    if isinstance(error, InterruptedByUser) and find_world(os.environ).rank > 0:  # rank 0 says it for all
        wait_for_what_is_said()
        return error.interrupted_exit_code
    code = _say(error, error if with_traceback else None)
    note_what_was_said()
    return code


def leave(code: int) -> NoReturn:
    """End this process; at once where its libraries would wait for other processes, or don't survive Python's end."""
    work_is_over(code)
    if not LINGERING and (code in _FINE or find_world(os.environ).size == 1):
        sys.exit(code)
    output.exit_now(code)


def fail_now(error: Exception) -> NoReturn:
    """Say what went wrong and end this process, whatever its main thread does."""
    output.restore_terminal()
    output.exit_now(show_error(error, with_traceback="--debug" in sys.argv))


def _say(error: Exception, shown: Exception | None) -> int:
    if isinstance(error, InterruptedByUser):
        output.error(error.message, hint=error.hint)
        return error.interrupted_exit_code
    if isinstance(error, RilctlError):
        output.error(error.message, hint=error.hint, exception=shown)
        return error.exit_code
    if isinstance(error, _NO_PLACE) and error.strerror:
        output.error(
            f"{error.strerror.lower()}: {error.filename}", hint="choose another place to write to", exception=shown
        )
        return 2
    message, hint = _unexpected(error)
    output.error(message, hint=hint, exception=shown)
    return 1


def _unexpected(error: Exception) -> tuple[str, str]:
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        remedy = f"{remedy}, then " if (remedy := _REMEDIES.get(error.errno or 0)) else ""
        return error.strerror.lower() + where, f"nothing that was written is lost; {remedy}run the same command again"
    if isinstance(error, ImportError):
        return f"can't import {error.name or 'a library'}: {error}", "`rilctl doctor` checks the installation"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, which isn't imported
        return f"out of memory: {str(error).partition(chr(10))[0]}", "the same command with `--dry-run` plans memory"
    return (
        f"internal error: {type(error).__name__}: {error}",
        "run it again with `--debug` for the traceback, and report it",
    )
