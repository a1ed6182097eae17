"""The call cache: answers stay, come back as they were, and trouble is explained."""

import sqlite3
import subprocess
import sys

import pytest

from rilctl.artifacts.calls import CallCache, call_key
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
