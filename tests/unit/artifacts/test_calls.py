"""The call cache: answers stay, come back as they were, and trouble is explained."""

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from rilctl.artifacts.calls import CallCache, call_key
from rilctl.artifacts.digests import canonical_json
from rilctl.errors import ArtifactError


def test_the_key_is_the_request_not_its_order():
    assert call_key({"model": "m", "index": 1}) == call_key({"index": 1, "model": "m"})
    assert call_key({"model": "m", "index": 1}) != call_key({"model": "m", "index": 2})


def test_answers_come_back_after_reopening(tmp_path):
    answers = {"a": {"text": "drei é \x00", "ids": [1, 2]}, "b": None, "c": 1.5}
    with CallCache(tmp_path) as cache:
        cache.put_many(answers)
        assert cache.get_many(["a", "b", "x"]) == {"a": answers["a"], "b": None}
    with CallCache(tmp_path) as cache:
        assert cache.get_many(list("abc")) == answers
        assert cache.get_many([]) == {}
    assert (tmp_path / ".cache" / "calls.sqlite3").exists()


def test_more_keys_than_one_statement_takes(tmp_path):
    answers = {f"k{i}": i for i in range(2345)}
    with CallCache(tmp_path) as cache:
        cache.put_many(answers)
        assert cache.get_many([*answers, "other"]) == answers


def test_the_first_answer_stays(tmp_path):
    with CallCache(tmp_path) as cache:
        cache.put_many({"a": 1})
        cache.put_many({"a": 2, "b": 2})
        assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}


def stored(text, token_ids=None):
    return {"text": text, "token_ids": token_ids, "finish_reason": "stop", "sampling_logprobs": None}


def test_what_was_taken_for_an_answer_and_is_none_is_asked_for_again(tmp_path):
    none = {"empty": stored(""), "white": stored(" \n")}
    answers = {"said": stored("yes"), "meant": stored("", []), "ended": stored("", [2]), "other": 5, "table": {"a": ""}}
    with CallCache(tmp_path) as cache:
        cache.put_many(none | answers)
        assert cache.get_many([*none, *answers]) == answers
        cache.put_many({"empty": stored("no")})
    with CallCache(tmp_path) as cache:
        assert cache.get_many([*none, *answers]) == answers | {"empty": stored("no")}


def test_closing_waits_for_a_thread_that_stores(tmp_path):
    """A judge's thread may be in the middle of storing when the command that opened the cache ends."""
    cache = CallCache(tmp_path)
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with ThreadPoolExecutor() as pool:
        storing = pool.submit(cache.put_many, {"a": 1})
        wait([storing], timeout=0.5)
        closing = pool.submit(cache.close)
        wait([closing], timeout=0.5)
        other.execute("COMMIT")
        other.close()
        storing.result()
        closing.result()
    with CallCache(tmp_path) as again:
        assert again.get_many(["a"]) == {"a": 1}


def test_a_batch_that_fails_leaves_nothing(tmp_path):
    with CallCache(tmp_path) as cache:
        with pytest.raises(TypeError):
            cache.put_many({"a": 1, "b": object()})
        assert cache.get_many(["a"]) == {}


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read as one" * 50, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_explained_and_kept(tmp_path, content):
    file = tmp_path / ".cache" / "calls.sqlite3"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"calls\.sqlite3.+damaged") as caught:
        CallCache(tmp_path)
    assert "move it away" in (caught.value.hint or "")
    assert file.read_bytes() == content


def test_damage_inside_a_table_is_explained(tmp_path):
    with CallCache(tmp_path) as cache:
        cache.put_many({f"k{i}": "x" * 500 for i in range(200)})
    file = tmp_path / ".cache" / "calls.sqlite3"
    data = bytearray(file.read_bytes())
    data[8192:-4096] = b"\xee" * len(data[8192:-4096])
    file.write_bytes(data)
    with CallCache(tmp_path) as cache, pytest.raises(ArtifactError, match="damaged"):
        cache.get_many([f"k{i}" for i in range(200)])


def test_a_newer_layout_is_refused(tmp_path):
    with CallCache(tmp_path):
        pass
    with sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3") as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(ArtifactError, match="newer rilctl"):
        CallCache(tmp_path)


def test_a_changed_bit_of_any_stored_answer_is_found_set_aside_and_can_be_asked_again(tmp_path):
    answers = {call_key({"n": n}): {"text": f"answer {n}", "ids": [n]} for n in range(16)}
    file = tmp_path / ".cache" / "calls.sqlite3"
    for number, (key, answer) in enumerate(answers.items()):
        with CallCache(tmp_path) as cache:
            cache.put_many(answers)
        data = bytearray(file.read_bytes())
        text = canonical_json(answer)
        data[data.index(text) + number % len(text)] ^= 1 << number % 8
        file.write_bytes(data)
        with CallCache(tmp_path) as cache:
            with pytest.raises(ArtifactError, match=r"1 of the answers in .+calls\.sqlite3.+ changed") as caught:
                cache.get_many([*answers])
            assert key[:12] in caught.value.message and "asks for them again" in (caught.value.hint or "")
            assert cache.get_many([*answers]) == {k: v for k, v in answers.items() if k != key}
    with sqlite3.connect(file) as db:
        assert db.execute("SELECT count(*) FROM damaged").fetchone() == (16,)
    db.close()


@pytest.mark.parametrize("change", ['value = \'{"text": "5"}\'', "value = x'00ff'", "value = 7", "digest = 'd'"])
def test_an_edited_answer_is_found(tmp_path, change):
    with CallCache(tmp_path) as cache:
        cache.put_many({"a": {"text": "4"}, "b": {"text": "3"}})
    with sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3") as db:
        db.execute(f"UPDATE calls SET {change} WHERE key = 'a'")
    db.close()
    with CallCache(tmp_path) as cache:
        with pytest.raises(ArtifactError, match="changed since they were stored"):
            cache.get_many(["a", "b"])
        assert cache.get_many(["a", "b"]) == {"b": {"text": "3"}}


def test_answers_that_changed_places_are_found(tmp_path):
    with CallCache(tmp_path) as cache:
        cache.put_many({"a": 1, "b": 2})
    with sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3") as db:
        db.execute("UPDATE calls SET (value, digest) = (SELECT value, digest FROM calls WHERE key = 'b')")
    db.close()
    with CallCache(tmp_path) as cache, pytest.raises(ArtifactError, match="1 of the answers"):
        cache.get_many(["a", "b"])


def old_cache(root):
    """As rilctl wrote it before answers had digests."""
    (root / ".cache").mkdir()
    with sqlite3.connect(root / ".cache" / "calls.sqlite3") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE calls (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO calls VALUES ('old', '{\"text\":\"é\"}'), ('bad', '{\"te')")
        db.execute("PRAGMA user_version = 1")
    db.close()


def test_a_cache_without_digests_stays_usable(tmp_path):
    old_cache(tmp_path)
    with CallCache(tmp_path) as cache:
        cache.put_many({"old": 1, "new": {"text": "5"}})
        assert cache.get_many(["old", "new"]) == {"old": {"text": "é"}, "new": {"text": "5"}}
        with pytest.raises(ArtifactError, match="changed since"):
            cache.get_many(["bad"])
        assert cache.get_many(["bad"]) == {}
    with CallCache(tmp_path) as cache:
        assert cache.get_many(["old", "new"]) == {"old": {"text": "é"}, "new": {"text": "5"}}


def test_answers_of_an_earlier_layout_that_did_not_count_yet_never_will(tmp_path):
    with CallCache(tmp_path) as cache:
        cache.put_many({"counts": {"text": "1"}})
    with sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3") as db:
        db.execute("CREATE TABLE provisional (key TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT) WITHOUT ROWID")
        db.execute("INSERT INTO provisional VALUES ('doubtful', '{}', '')")
        db.execute("PRAGMA user_version = 3")
    db.close()
    with CallCache(tmp_path) as cache:
        assert cache.get_many(["counts", "doubtful"]) == {"counts": {"text": "1"}}
    with sqlite3.connect(tmp_path / ".cache" / "calls.sqlite3") as db:
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'provisional'").fetchall()
    db.close()


@pytest.mark.timeout(120)
def test_nobody_waits_for_a_pipe_in_its_place(tmp_path):
    (tmp_path / ".cache").mkdir()
    os.mkfifo(tmp_path / ".cache" / "calls.sqlite3")
    with pytest.raises(ArtifactError, match="no regular file"):
        CallCache(tmp_path)


def test_a_root_that_can_not_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="can't be used"):
        CallCache(tmp_path / "file")


WRITER = """
import sys
from pathlib import Path
from rilctl.artifacts.calls import CallCache
with CallCache(Path(sys.argv[1])) as cache:
    for i in range(20):
        cache.put_many({f"{sys.argv[2]}-{i}-{j}": i for j in range(5)} | {f"shared-{i}": sys.argv[2]})
"""


def test_several_processes_open_and_write_at_once(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)]) for n in range(4)]
    assert [child.wait(timeout=120) for child in children] == [0] * 4
    with CallCache(tmp_path) as cache:
        keys = [f"{n}-{i}-{j}" for n in range(4) for i in range(20) for j in range(5)]
        assert len(cache.get_many(keys)) == len(keys)
        assert set(cache.get_many([f"shared-{i}" for i in range(20)]).values()) <= {"0", "1", "2", "3"}


TELLER = """
import itertools, sys
from pathlib import Path
from rilctl.artifacts.calls import CallCache
with CallCache(Path(sys.argv[1])) as cache:
    for n in itertools.count():
        cache.put_many({f"{n}-{place}": {"text": "x" * 500} for place in range(8)})
        print(n, flush=True)
"""


def test_what_was_told_to_be_kept_outlasts_a_kill(tmp_path):
    command = [sys.executable, "-c", TELLER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as teller:
        assert teller.stdout is not None
        told = [int(teller.stdout.readline()) for _ in range(40)]
        teller.kill()
        told += map(int, teller.stdout.read().split())
    keys = [f"{n}-{place}" for n in told for place in range(8)]
    with CallCache(tmp_path) as cache:
        assert cache.get_many(keys) == {key: {"text": "x" * 500} for key in keys}


CLAIMER = """
import sys
from pathlib import Path
from rilctl.artifacts.calls import CallCache
with CallCache(Path(sys.argv[1])) as cache:
    cache.claim(sys.argv[2:])
    print("claimed", flush=True)
    sys.stdin.read()
"""


def test_a_claim_is_seen_by_other_processes_and_ends_with_its_own(tmp_path):
    first, second, third = (call_key({"question": n}) for n in range(3))
    command = [sys.executable, "-c", CLAIMER, str(tmp_path), first, second]
    with (
        CallCache(tmp_path) as cache,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout is not None and other.stdout.readline() == b"claimed\n"
        assert cache.claim([first, second, third]) == {third}
        cache.release()
        other.kill()
        other.wait()
        assert cache.claim([first, second, third]) == {first, second, third}
        assert (tmp_path / ".cache/calls.claims").read_bytes() == b""
