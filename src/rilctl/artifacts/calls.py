"""The call cache: what a model or judge answered once is never asked for again.

One SQLite file per workspace, shared by runs and processes. An answer that is in the cache never changes; each
`put_many` is one transaction, so after a kill it is there as a whole or not at all.
"""

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import JsonValue

from rilctl.artifacts.digests import canonical_json
from rilctl.errors import ArtifactError, LockedError

_LAYOUT_VERSION: Final = 1
_BUSY_TIMEOUT_S: Final = 60.0
_KEYS_PER_QUERY: Final = 500  # SQLite allows at least 999 parameters in a statement


def call_key(request: Mapping[str, JsonValue]) -> str:
    """The identity of a request: sha256 of its canonical JSON."""
    return hashlib.sha256(canonical_json(dict(request))).hexdigest()


class CallCache:
    """Answers by `call_key`, under `<root>/.cache/calls.sqlite3`; use it as a context manager.

    Args:
        root: the workspace root.

    Raises:
        ArtifactError: the file is damaged, was written by a newer rilctl, or can't be written.
        LockedError: another process kept it busy for a minute.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / ".cache" / "calls.sqlite3"
        self._lock = threading.Lock()  # a judge is asked from another thread than the one that opened this
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """The answers that are there, by key; keys without an answer are absent."""
        found: dict[str, JsonValue] = {}
        with self._lock, self._explained():
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                some = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, value FROM calls WHERE key IN ({marks})"
                found.update((key, json.loads(value)) for key, value in self._db.execute(query, some))
        return found

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers, all or none; a key that has an answer keeps it."""
        rows = [(key, canonical_json(value).decode()) for key, value in answers.items()]
        if not rows:
            return
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT OR IGNORE INTO calls VALUES (?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the database; answers that were put are on disk already."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        self._use_write_ahead_log()
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > _LAYOUT_VERSION:
            raise ArtifactError(
                f"`{self.path}` was written by a newer rilctl", hint="upgrade rilctl, or choose another workspace root"
            )
        self._db.execute("CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        if version < _LAYOUT_VERSION:
            self._db.execute(f"PRAGMA user_version = {_LAYOUT_VERSION}")

    def _use_write_ahead_log(self) -> None:
        """Switch the file to WAL; SQLite doesn't wait for others here by itself, whatever the timeout."""
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LockedError(
                    f"the call cache `{self.path}` is kept busy by another process", hint="try again when it is done"
                ) from error
            raise ArtifactError(
                f"the call cache `{self.path}` can't be used: {error}",
                hint="check its permissions and the disk's space",
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise ArtifactError(
                f"the call cache `{self.path}` is damaged: {error}",
                hint="move it away and run the same command again; the answers in it will be asked for again",
            ) from error
        except OSError as error:
            raise ArtifactError(
                f"the call cache `{self.path}` can't be used: {error.strerror or error}",
                hint="check `[workspace].root`, its permissions and the disk's space",
            ) from error
