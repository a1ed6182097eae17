"""The call cache: what a model or judge answered once is never asked for again.

One SQLite file per workspace, shared by runs and processes. An answer that is in the cache never changes; each
`put_many` is one transaction, so after a kill it is there as a whole or not at all. Each answer has a digest over its
key and value: one that was changed since it was stored is never used.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import JsonValue

from rilctl.artifacts.askers import UNKNOWN, Asker, has_askers, note_uses, number_of
from rilctl.artifacts.calls_file import calls_path, explained, has_digests, open_calls, transaction
from rilctl.artifacts.claims import Claims
from rilctl.artifacts.digests import canonical_json
from rilctl.errors import ArtifactError
from rilctl.schemas.calls import is_answer

_KEYS_PER_QUERY: Final = 500  # SQLite allows at least 999 parameters in a statement
_PUT: Final = "INSERT OR IGNORE INTO calls (key, value, digest, asker) VALUES (?, ?, ?, ?)"
_NOTE_PATIENCE_MS: Final = 1000
"""How long the end of a process waits to note what it used: where the cache is busy so long, nobody misses that."""


def call_key(request: Mapping[str, JsonValue]) -> str:
    """The identity of a request: sha256 of its canonical JSON."""
    return hashlib.sha256(canonical_json(dict(request))).hexdigest()


class CallCache:
    """Answers by `call_key`, under `<root>/.cache/calls.sqlite3`; use it as a context manager.

    Who may not write there can use it as long as it holds all that is asked for.

    Args:
        root: the workspace root.
        asker: who asks; None: nobody says, so what is stored can only be pruned by its age.

    Raises:
        ArtifactError: the file is damaged, was written by a newer rilctl, or is neither there nor can be made.
        LockedError: another process kept it busy for a minute.
    """

    def __init__(self, root: Path, asker: Asker | None = None) -> None:
        self._root, self._asker = root, asker
        self._used = set[int]()  # askers whose answers were used, and that isn't noted yet
        self.path = calls_path(root)
        self._claims = Claims(self.path.with_name("calls.claims"))
        self._lock = threading.Lock()  # a judge is asked from another thread than the one that opened this
        self._db, self._is_writable = open_calls(self.path)
        try:
            with explained(self.path):
                digest = "digest" if has_digests(self._db) else "NULL"
                self._columns = f"key, value, {digest}, {'asker' if has_askers(self._db) else UNKNOWN}"
        except BaseException:
            self._db.close()
            raise

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        """The answers that are there, by key; keys without an answer are absent.

        What an earlier rilctl took for an answer and is none is set aside.

        Raises:
            ArtifactError: an answer was changed since it was stored: it is set aside, and the next run asks again. Or
                one is missing, and can't be stored: it would be paid for in vain.
        """
        with self._lock, explained(self.path):
            found, damaged, empty = self._read(f"SELECT {self._columns} FROM calls", keys)
            if empty and self._is_writable:
                self._make_room(empty)
            if damaged:
                self._set_aside(damaged)
        if not self._is_writable and (num_missing := len({*keys} - found.keys())):
            raise ArtifactError(
                f"the call cache `{self.path}` lacks {num_missing} of {len({*keys})} answers, and can't be written",
                hint="ask for permission to write there, or choose another `[workspace].root`",
            )
        return found

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        """Keep answers, all or none; a key that has an answer keeps it."""
        rows = []
        for key, answer in answers.items():
            value = canonical_json(answer)
            rows.append((key, value.decode(), _digest(key.encode(), value)))
        if rows:
            with self._lock, explained(self.path):
                with transaction(self._db):
                    asker = number_of(self._db, self._root, self._asker)
                    self._db.executemany(_PUT, [(*row, asker) for row in rows])
                    note_uses(self._db, self._root, self._asker, {asker, *self._used})
                self._used.clear()

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that no other process is asking for; until `release` it is this one that does.

        Raises:
            ArtifactError: the file of claims can't be made.
        """
        with self._lock, explained(self.path):
            return self._claims.take(keys)

    def release(self, keys: Iterable[str] | None = None) -> None:
        """Ask for these claimed answers no more; None: for none of them."""
        with self._lock:
            if keys is None:
                self._claims.release()
            else:
                self._claims.give_back(keys)

    def close(self) -> None:
        """Close the database, when no other thread is using it; answers that were put are on disk already."""
        with self._lock:
            self._claims.release()
            if self._used and self._is_writable:
                with suppress(sqlite3.Error):
                    self._db.execute(f"PRAGMA busy_timeout = {_NOTE_PATIENCE_MS}")
                    with transaction(self._db):
                        note_uses(self._db, self._root, self._asker, self._used)
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _set_aside(self, damaged: Sequence[str]) -> None:
        """Raise `ArtifactError` for answers that were changed, after making room for new ones."""
        hint = "ask its owner to run the same command, or choose another `[workspace].root`"
        if self._is_writable:
            self._make_room(damaged)
            hint = "they are set aside: run the same command again, and it asks for them again"
        raise ArtifactError(
            f"{len(damaged)} of the answers in the call cache `{self.path}` changed since they were stored; the first "
            f"is `{damaged[0][:12]}`",
            hint=hint,
        )

    def _make_room(self, keys: Sequence[str]) -> None:
        """Set aside what is there for some keys, so that they can be answered again."""
        keep = "INSERT INTO damaged SELECT key, value, digest FROM calls WHERE key = ?"
        with transaction(self._db):
            for statement in (keep, "DELETE FROM calls WHERE key = ?"):
                self._db.executemany(statement, [(key,) for key in keys])

    def _read(self, select: str, keys: Sequence[str]) -> tuple[dict[str, JsonValue], list[str], list[str]]:
        """The answers by key, then the keys of those that aren't as they were stored, and of those that say nothing."""
        found: dict[str, JsonValue] = {}
        damaged, empty = list[str](), list[str]()
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            for key, value, digest, asker in self._db.execute(f"{select} WHERE key IN ({marks})", some):
                if not _is_intact(key, value, digest):
                    damaged.append(key.decode())
                elif is_answer(answer := json.loads(value)):
                    found[key.decode()] = answer
                    self._used.add(asker)
                else:
                    empty.append(key.decode())
        return found, damaged, empty


def _digest(key: bytes, value: bytes) -> str:
    """Over the key as well: an answer that lost its place is no answer."""
    return hashlib.sha256(key + b"\n" + value).hexdigest()


def _is_intact(key: bytes, value: Any, digest: Any) -> bool:
    """Whether an answer is what was stored; of one that layout 1 stored, whether it is JSON at all."""
    if not isinstance(value, bytes):
        return False
    if digest is not None:
        return bool(digest == _digest(key, value).encode())
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
