"""Who asked for what, what goes, and that others may use the cache meanwhile."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rilctl.artifacts import calls_file
from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.calls_pruning import AskedAnswers, choose, compact, prune, survey
from rilctl.errors import ArtifactError, LockedError

DAY_S = 86_400.0


def answers(name: str, num: int) -> dict[str, object]:
    return {f"{name}-{i}": {"text": f"{name} {i}" * 50, "token_ids": [1]} for i in range(num)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A teacher whose answers two recipes used, and a judge that one asked."""
    root = tmp_path / "runs"
    for run in ("a/cache-teacher", "b/cache-teacher", "b/judge"):
        (root / run).mkdir(parents=True)
        (root / run / "run.json").write_text("{}")
    teacher = answers("teacher", 30)
    with CallCache(root, Asker("teacher", "Qwen", root / "a" / "cache-teacher")) as cache:
        cache.put_many(teacher)
    with CallCache(root, Asker("teacher", "Qwen", root / "b" / "cache-teacher")) as cache:
        assert cache.get_many([*teacher, "more-0"]) == teacher
        cache.put_many(answers("more", 2))
    with CallCache(root, Asker("judge", "Gemma", root / "b" / "judge")) as cache:
        cache.put_many(answers("judge", 10))
    return root


def named(found: list[AskedAnswers]) -> list[tuple[str, str, int]]:
    return sorted((each.model, each.run, each.num_answers) for each in found)


def age(root: Path, run: str, days: float) -> None:
    """As if the run had used answers that long ago."""
    with closing(sqlite3.connect(root / ".cache" / "calls.sqlite3")) as db, db:
        changed = db.execute("UPDATE uses SET used_at = used_at - ? WHERE run = ?", (int(days * DAY_S), run))
        assert changed.rowcount


def test_who_asked_and_who_used_it(root: Path) -> None:
    found = survey(root)
    assert named(found.askers) == [
        ("Gemma", "b/judge", 10), ("Qwen", "a/cache-teacher", 30), ("Qwen", "b/cache-teacher", 2),
    ]  # fmt: skip
    first = next(each for each in found.askers if each.run == "a/cache-teacher")
    assert (first.role, first.used_by) == ("teacher", ["b/cache-teacher"])
    stored = {key: json.dumps(value, separators=(",", ":")) for key, value in answers("teacher", 30).items()}
    assert first.size_bytes == sum(len(key) + len(value) for key, value in stored.items())
    assert all(0 <= each.unused_s < 600 for each in found.askers)  # s: it was just now
    shutil.move(root, moved := root.parent / "moved")
    assert [each.run for each in survey(moved).askers] == [each.run for each in found.askers]


def test_what_is_old_is_what_nobody_used(root: Path) -> None:
    age(root, "a/cache-teacher", 40)
    age(root, "b/judge", 40)
    old = choose(survey(root), root, unused_s=30 * DAY_S)
    assert named(old) == [("Gemma", "b/judge", 10)]  # the teacher's answers were used by another recipe, today
    assert prune(root, old) == 10
    with CallCache(root) as cache:
        assert cache.get_many(["judge-0", "teacher-0", "more-0"]).keys() == {"teacher-0", "more-0"}
    assert choose(survey(root), root) == []


def test_a_recipe_s_own_answers_and_those_of_runs_that_are_gone(root: Path) -> None:
    assert named(choose(survey(root), root, recipe="a")) == []  # `b` uses them too
    assert named(choose(survey(root), root, recipe="b")) == [("Gemma", "b/judge", 10), ("Qwen", "b/cache-teacher", 2)]
    shutil.rmtree(root / "a")
    assert choose(survey(root), root, orphaned=True) == []
    shutil.rmtree(root / "b" / "cache-teacher")
    orphaned = choose(survey(root), root, orphaned=True)
    assert named(orphaned) == [("Qwen", "a/cache-teacher", 30), ("Qwen", "b/cache-teacher", 2)]
    assert choose(survey(root), root, orphaned=True, unused_s=DAY_S) == []  # both must hold
    assert prune(root, orphaned) == 32
    assert named(survey(root).askers) == [("Gemma", "b/judge", 10)]


def test_what_was_used_since_it_was_chosen_stays(root: Path) -> None:
    for run in ("a/cache-teacher", "b/cache-teacher"):
        age(root, run, 40)
    old = choose(survey(root), root, unused_s=30 * DAY_S)
    assert len(old) == 2
    with CallCache(root, Asker("teacher", "Qwen", root / "c" / "cache-teacher")) as cache:
        assert cache.get_many(["teacher-3"])
    assert prune(root, old) == 2
    with CallCache(root) as cache:
        assert len(cache.get_many([*answers("teacher", 30)])) == 30


def test_an_earlier_layout_has_answers_of_nobody_and_waits_from_now_on(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    with closing(sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3")) as db, db:
        db.execute("CREATE TABLE calls (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, digest TEXT)")
        db.execute("CREATE TABLE damaged (key TEXT, value, digest)")
        db.execute("INSERT INTO calls VALUES ('old', '{\"text\":\"4\"}', NULL)")
        db.execute("PRAGMA user_version = 4")
    (unknown,) = survey(tmp_path).askers
    assert (unknown.number, unknown.role, unknown.run, unknown.num_answers) == (0, "", "", 1)
    assert unknown.unused_s < 600  # s: since the layout changed
    assert choose(survey(tmp_path), tmp_path, orphaned=True) == []
    assert choose(survey(tmp_path), tmp_path, recipe="x") == []
    age(tmp_path, "", 40)
    assert prune(tmp_path, choose(survey(tmp_path), tmp_path, unused_s=30 * DAY_S)) == 1
    with CallCache(tmp_path) as cache:
        cache.put_many({"old": {"text": "5"}})
        assert cache.get_many(["old"]) == {"old": {"text": "5"}}
    assert [each.number for each in survey(tmp_path).askers] == [0]


def test_the_file_gets_smaller_and_loses_no_answer(root: Path) -> None:
    file, kept = root / ".cache" / "calls.sqlite3", answers("kept", 40)
    with CallCache(root, Asker("student", "s", root / "b" / "eval")) as cache:
        cache.put_many(answers("big", 3000))
    with CallCache(root, Asker("judge", "kept", root / "b" / "judge")) as cache:
        cache.put_many(kept)
    before = file.stat().st_size
    assert prune(root, [each for each in survey(root).askers if each.model == "s"]) == 3000
    assert file.stat().st_size < before / 2 and survey(root).free_bytes == 0
    with CallCache(root) as cache:
        assert cache.get_many([*kept]) == kept
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("DELETE FROM calls WHERE key LIKE 'kept-%'")
    assert survey(root).free_bytes > 0 and compact(root) > 0 and survey(root).free_bytes == 0


def test_nothing_is_made_where_no_cache_is(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no call cache at"):
        survey(tmp_path)
    assert list(tmp_path.iterdir()) == []


BUSY = """
import sys
from pathlib import Path
from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache

root, number = Path(sys.argv[1]), 0
with CallCache(root, Asker("student", "busy", root / "c" / "eval")) as cache:
    print("up", flush=True)
    while not (root / "stop").exists():
        for _ in range(20):
            cache.put_many({f"busy-{number}": {"text": "x" * 200}})
            number += 1
        assert len(cache.get_many([f"busy-{n}" for n in range(number)])) == number
print(number)
"""


def test_another_process_writes_and_reads_on_meanwhile(root: Path) -> None:
    with CallCache(root, Asker("student", "gone", root / "gone" / "eval")) as cache:
        cache.put_many(answers("gone", 500))
    command = [sys.executable, "-c", BUSY, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "up\n"
        going, num = [each for each in survey(root).askers if each.model == "gone"], 0
        for _ in range(5):
            num += prune(root, going)
            compact(root)
        (root / "stop").touch()
        told = int(other.stdout.readline())
        assert other.wait(timeout=60) == 0
    assert num == 500
    with CallCache(root) as cache:
        assert len(cache.get_many([f"busy-{n}" for n in range(told)])) == told
        assert cache.get_many([*answers("gone", 500)]) == {}
        assert len(cache.get_many([*answers("teacher", 30)])) == 30
    with closing(sqlite3.connect(root / ".cache" / "calls.sqlite3")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_who_came_since_and_has_the_number_of_one_that_went_keeps_its_answers(root: Path) -> None:
    with CallCache(root, Asker("student", "gone", root / "gone" / "eval")) as cache:
        cache.put_many(answers("gone", 5))
    (chosen,) = [each for each in survey(root).askers if each.model == "gone"]
    assert prune(root, [chosen]) == 5
    with CallCache(root, Asker("student", "new", root / "new" / "eval")) as cache:
        cache.put_many(answers("new", 5))
    (new,) = [each for each in survey(root).askers if each.model == "new"]
    assert new.number == chosen.number
    assert prune(root, [chosen.model_copy(update={"unused_s": 0.0})]) == 0
    with CallCache(root) as cache:
        assert len(cache.get_many([*answers("new", 5)])) == 5


def test_a_writer_that_does_not_end_is_named_and_nothing_goes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_file, "BUSY_TIMEOUT_S", 0.2)
    chosen = choose(survey(root), root, recipe="b")
    with closing(sqlite3.connect(root / ".cache" / "calls.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for go in (lambda: prune(root, chosen), lambda: compact(root)):
            with pytest.raises(LockedError, match="kept busy by another process"):
                go()
        began = time.monotonic()
        with CallCache(root, Asker("judge", "Gemma", root / "b" / "judge")) as cache:
            assert cache.get_many(["judge-1"])  # that it was used isn't noted, and nobody fails for that
        assert time.monotonic() - began < 30  # s: it waits for one
        other.execute("ROLLBACK")
    assert len(survey(root).askers) == 3
