"""The call cache's file: opened for whoever may write it, or only read it, and what goes wrong with it explained.

Layout 5: `calls` holds key, value, digest and asker; what was changed since it was stored is moved to `damaged`; what
`askers` and `uses` hold is in `askers`. Layout 4 had no askers, layout 3 a table of answers that didn't count yet,
layout 1 no digests: such a file is brought to this layout when it is next written to. Answers without a digest stay
usable, uncovered; those that didn't count yet never will.

Keys are digests, so their order says nothing. Answers stand one after the other as they came, and an index finds them:
sorted by key, each would be written to a page of its own, of 4 kB, and that again at each checkpoint of the log. Files
that were made so are used as they are; statements are the same.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rilctl.artifacts.askers import TABLES, UNKNOWN, has_askers, note_uses
from rilctl.artifacts.layout import make_directory
from rilctl.artifacts.mounts import mount_of
from rilctl.errors import ArtifactError, LockedError

LAYOUT_VERSION: Final = 5
BUSY_TIMEOUT_S: Final = 60.0
_LOG_PAGES: Final = 16_384
"""64 MiB: so many are copied into the file at once, since pages of the index change again and again."""
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS calls (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, digest TEXT,"
    f" asker INTEGER NOT NULL DEFAULT {UNKNOWN})",
    "CREATE TABLE IF NOT EXISTS damaged (key TEXT, value, digest)",
    "DROP TABLE IF EXISTS provisional",
    *TABLES,
)


def calls_path(root: Path) -> Path:
    """Where a workspace has its call cache, whether it is there or not."""
    return root / ".cache" / "calls.sqlite3"


def open_calls(path: Path) -> tuple[sqlite3.Connection, bool]:
    """The database, made or brought to this layout where it may be written, and whether it may.

    Raises:
        ArtifactError, LockedError: see `CallCache`.
    """
    with explained(path):
        make_directory(path.parent)
        is_writable = os.access(path if path.exists() else path.parent, os.W_OK) and os.access(path.parent, os.W_OK)
        if path.exists() and not path.is_file():
            raise ArtifactError(f"the call cache `{path}` is no regular file", hint="move it away")
        journal = _journal(path)
        database = _connect(str(path)) if is_writable or not path.exists() else _connect_to_read(path)
        database.text_factory = bytes  # damaged text may be no UTF-8
    try:
        with explained(path):
            _refuse_newer(database, path)
            if is_writable:
                _prepare(database, path, journal)
    except BaseException:
        database.close()
        raise
    return database, is_writable


def has_digests(database: sqlite3.Connection) -> bool:
    """Whether the file is of layout 2 or later; one that may only be read stays as it is."""
    return any(column[1] == b"digest" for column in database.execute("PRAGMA table_info(calls)"))


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All statements inside count, or none; others wait meanwhile."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system say into our errors; see `CallCache`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LockedError(
                f"the call cache `{path}` is kept busy by another process", hint="try again when it is done"
            ) from error
        if any(word in str(error) for word in ("malformed", "no such", "syntax", "duplicate", "corrupt")):
            raise _damaged(path, error) from error
        raise ArtifactError(
            f"the call cache `{path}` can't be used: {error}", hint="check its permissions and the disk's space"
        ) from error
    except (sqlite3.Error, ValueError, OverflowError) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise ArtifactError(
            f"the call cache `{path}` can't be used: {error.strerror or error}",
            hint="check `[workspace].root`, its permissions and the disk's space",
        ) from error


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"the call cache `{path}` is damaged: {error}",
        hint="move it away and run the same command again; the answers in it will be asked for again",
    )


def _connect(name: str, *, is_uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=is_uri)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """SQLite opens a file of this kind without writing beside it only if it may take it for one that nobody changes.

    Should somebody who may write do so after all, the answers' digests find a page that doesn't fit.
    """
    is_in_use = path.with_name(f"{path.name}-wal").exists()
    database = _connect(f"{path.absolute().as_uri()}?mode=ro{'' if is_in_use else '&immutable=1'}", is_uri=True)
    return database


def _refuse_newer(database: sqlite3.Connection, path: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > LAYOUT_VERSION:
        raise ArtifactError(
            f"`{path}` was written by a newer rilctl", hint="upgrade rilctl, or choose another workspace root"
        )


def _journal(path: Path) -> str:
    """How SQLite keeps what it changes: a write-ahead log needs memory that all processes share, so one host's.

    Raises:
        ArtifactError: the file system doesn't tell one host what another one has locked.
    """
    mount = mount_of(path)
    if mount is not None and mount.lacks_locks:
        raise ArtifactError(
            f"the call cache `{path}` lies on a file system without locks between hosts: `{mount.kind}` at "
            f"`{mount.point}`",
            hint="set `[workspace].root` to a local disk, or mount this one with locks",
        )
    return "DELETE" if mount is not None and mount.may_be_shared else "WAL"


def _prepare(database: sqlite3.Connection, path: Path, journal: str) -> None:
    _use_journal(database, journal)
    if journal == "WAL":
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    else:
        database.execute("PRAGMA synchronous = EXTRA")  # else a power cut may bring a journal back
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == LAYOUT_VERSION and has_askers(database):
        return
    with transaction(database):  # another process may do the same
        for table in _TABLES:
            database.execute(table)
        if not has_digests(database):
            database.execute("ALTER TABLE calls ADD COLUMN digest TEXT")
        if not has_askers(database):  # a default, so no row is written anew
            database.execute(f"ALTER TABLE calls ADD COLUMN asker INTEGER NOT NULL DEFAULT {UNKNOWN}")
        note_uses(database, path.parent, None, [UNKNOWN])  # since when they wait to be used again
        database.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")


def _use_journal(database: sqlite3.Connection, journal: str) -> None:
    """Switch the file to WAL or from it; SQLite doesn't wait for others here by itself, whatever the timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            database.execute(f"PRAGMA journal_mode = {journal}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
