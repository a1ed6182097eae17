"""Who asked for the answers in the call cache, and which runs used them when: what it is pruned by.

A key says nothing of this: it is a digest of what was asked. So each answer has the number of its asker, a run that
asks one model in one role, and each use by a run is noted with its time. Number 0 has what nobody said this of, as
rilctl did before layout 5.
"""

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

UNKNOWN: Final = 0
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS askers (id INTEGER PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL,"
    " run TEXT NOT NULL, UNIQUE (role, model, run))",
    "CREATE TABLE IF NOT EXISTS uses (asker INTEGER NOT NULL, run TEXT NOT NULL, used_at INTEGER NOT NULL,"
    " PRIMARY KEY (asker, run))",
    f"INSERT OR IGNORE INTO askers VALUES ({UNKNOWN}, '', '', '')",
)


@dataclass(frozen=True)
class Asker:
    """Who asks.

    Args:
        role: what the model is to the run.
        model: its name.
        run: the run's directory.
    """

    role: Literal["teacher", "student", "judge"]
    model: str
    run: Path


def run_name(root: Path, run: Path) -> str:
    """How the call cache calls a run: from the workspace root on, so that a workspace can be moved; else in full."""
    place, above = run.resolve(), root.resolve()
    return place.relative_to(above).as_posix() if place.is_relative_to(above) else str(place)


def has_askers(database: sqlite3.Connection) -> bool:
    """Whether the file is of layout 5 or later; one that may only be read stays as it is."""
    return any(column[1] == b"asker" for column in database.execute("PRAGMA table_info(calls)"))


def number_of(database: sqlite3.Connection, root: Path, asker: Asker | None) -> int:
    """The asker's number, which it gets now if it has none; call it within the transaction that uses it."""
    if asker is None:
        return UNKNOWN
    row = (asker.role, asker.model, run_name(root, asker.run))
    database.execute("INSERT OR IGNORE INTO askers (role, model, run) VALUES (?, ?, ?)", row)
    (number,) = database.execute("SELECT id FROM askers WHERE role = ? AND model = ? AND run = ?", row).fetchone()
    return int(number)


def note_uses(database: sqlite3.Connection, root: Path, asker: Asker | None, numbers: Iterable[int]) -> None:
    """Note that a run uses answers, its own or of others, now.

    Args:
        database: open, and in a transaction.
        root: the workspace root.
        asker: who uses them; None: nobody says.
        numbers: the askers of those answers.
    """
    run = "" if asker is None else run_name(root, asker.run)
    rows = [(number, run, int(time.time())) for number in sorted({*numbers})]
    database.executemany("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)", rows)
