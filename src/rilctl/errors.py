"""What can go wrong, as one tree.

    RilctlError                   exit 1   anything that we can explain
    ├── UsageError                exit 2   the command line is off
    │   └── ConfigError           exit 2   a recipe is off: file, key, what was expected
    ├── CredentialError           exit 4   a secret is missing
    ├── InputError                exit 5   something that a verb reads is missing, invalid or corrupt
    │   ├── ArtifactError                  an artifact directory
    │   ├── DataError                      a data set
    │   └── ModelError                     a model directory or hub id
    ├── LockedError               exit 6   another writer holds the directory
    ├── EndpointError             exit 1   a model behind HTTP is down; what it answered is kept
    ├── EngineError               exit 1   an engine is gone, or works with other weights, tokens or pixels than ours
    ├── OutOfMemoryError          exit 1   a phase of a verb needs more memory than there is
    ├── RankLostError             exit 1   another process of the run was killed, or is frozen
    ├── InterruptedByUser         exit 128 + n  Ctrl-C, SIGTERM or SIGHUP; progress is on disk
    └── FailedElsewhereError               another process of the run failed and says why; its exit code

    RowError                      never ends a run: one row is bad, is recorded with its reason and counted

Every error carries a `hint`: what to do next. `cli/` turns it into `error: … / hint: …` and the exit code.
"""

import signal
from typing import ClassVar

from rilctl.foreign import one_line, printable


class RilctlError(Exception):
    """Base of all errors that reach a person.

    Args:
        message: what happened, naming the file, row or key; lower case, no full stop.
        hint: what to do next, or None where nothing sensible can be said.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message, self.hint = printable(message), None if hint is None else printable(hint)
        super().__init__(self.message)


class UsageError(RilctlError):
    """The command line is off: an unknown name, a missing argument, flags that contradict each other."""

    exit_code = 2


class ConfigError(UsageError):
    """A recipe is off: the message names the file and the key."""


class CredentialError(RilctlError):
    """A secret that a recipe names is not there."""

    exit_code = 4


class InputError(RilctlError):
    """Something that a verb reads is missing, invalid or corrupt."""

    exit_code = 5


class ArtifactError(InputError):
    """An artifact directory is missing, half-written, of the wrong kind, or changed since it was written."""


class DataError(InputError):
    """A data set can't be opened, or lacks a column; single bad rows are `RowError`s."""


class ModelError(InputError):
    """A model directory or hub id can't be loaded whole: no processor, a missing weight, an unknown family."""


class LockedError(RilctlError):
    """Another process is writing to the directory; the message names it."""

    exit_code = 6


class EndpointError(RilctlError):
    """A model behind HTTP doesn't answer any more; what it answered is kept."""


class EngineError(RilctlError):
    """An engine is gone, or works with other weights, tokens or pixels than it should."""


class OutOfMemoryError(RilctlError):
    """A phase of a verb needs more memory than there is, on the device or on the host."""


class RankLostError(RilctlError):
    """Another process of a run was killed, or is frozen, and could not say why."""


class InterruptedByUser(RilctlError):
    """Ctrl-C, SIGTERM or SIGHUP after everything that was done reached the disk.

    Args:
        signal_number: the signal that asked for the stop.
        resume_command: the command that goes on from here.
    """

    def __init__(self, signal_number: int, resume_command: str) -> None:
        super().__init__(f"interrupted by {signal.Signals(signal_number).name}", hint=f"resume with `{resume_command}`")
        self.signal_number = signal_number

    @property
    def interrupted_exit_code(self) -> int:
        """128 plus the signal's number, as shells count: 129 for SIGHUP, 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal_number


class FailedElsewhereError(RilctlError):
    """Another process of a run failed; it is the one that says why.

    Args:
        rank: which.
        code: its exit code, which is this process's as well.
    """

    def __init__(self, rank: int, code: int) -> None:
        super().__init__(f"rank {rank} failed", hint="it says why")
        self.rank = rank
        self.code = code


class RowError(Exception):
    """One row is bad; the run goes on without it.

    Args:
        reason: a short stable code such as `image-truncated`, counted in reports.
        message: what is wrong with this row, for a person.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, one_line(message)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type["RowError"], tuple[str, str]]:
        return type(self), (self.reason, self.message)  # workers raise it, and only `args` crosses to another process
