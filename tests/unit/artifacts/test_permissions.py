"""Files follow the umask, and who may only read gets as far as reading goes; tried as a user who owns nothing."""

import os
import pwd
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.read import read_manifest, resolve
from rilctl.artifacts.verify import verify
from rilctl.artifacts.verify_run import verify_run
from rilctl.errors import ArtifactError, RilctlError, UsageError

ROLES = {"teacher-cache": "teacher-cache"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may look into, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="rilctl-test-"))
    path.chmod(0o755)
    yield path
    for each in (path, *path.rglob("*")):
        each.chmod(0o755)
    shutil.rmtree(path)


def as_stranger(folder: Path, action: Callable[[], object]) -> str:
    """What an action gives or raises, as text, when it is done by a user who may change nothing in the folder."""
    if os.getuid() != 0:
        for path in (folder, *folder.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
        return _outcome(action)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        os.write(writer, _outcome(action).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:
        text = said.read().decode()
    os.waitpid(child, 0)
    return text


def _outcome(action: Callable[[], object]) -> str:
    try:
        return str(action())
    except RilctlError as error:
        return f"{type(error).__name__}: {error.message} | {error.hint}"
    except BaseException as error:
        return f"not one of ours: {error!r}"


def write(start, make_rows, out: Path, status="complete") -> None:
    with start(out) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(3))
        writer.commit(status=status)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_all_files_follow_the_umask(start, mask, mode):
    import numpy as np
    from safetensors.numpy import save_file

    before = os.umask(mask)
    try:
        with start(roles={"student": "student"}) as run:
            writer = run.writer("student", "student")
            save_file({"w": np.zeros(3, dtype=np.float32)}, writer.staging() / "model.safetensors")
            (writer.staging() / "more").mkdir()
            (writer.staging() / "more" / "notes.txt").write_text("mine")
            writer.commit()
    finally:
        os.umask(before)
    files = [path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {mode}


def test_what_may_be_read_is_as_good_as_ones_own(start, make_rows, folder):
    write(start, make_rows, folder / "out")
    assert as_stranger(folder, lambda: (verify(folder / "out").ok, verify_run(folder / "out").problems)) == "(True, [])"


@pytest.mark.parametrize("name", ["rows-00000-of-00001.parquet", "manifest.json", ""])
def test_what_may_not_be_read_is_not_called_damaged(start, make_rows, folder, name):
    write(start, make_rows, folder / "out")
    (folder / "out" / name).chmod(0o000)
    for action in (
        lambda: read_manifest(folder / "out"),
        lambda: resolve(folder / "out", "teacher-cache"),
        lambda: [problem.problem + problem.state for problem in verify(folder / "out").problems],
    ):
        said = as_stranger(folder, action)
        assert "damaged" not in said and "not one of ours" not in said and "changed" not in said
        if name != "rows-00000-of-00001.parquet":
            assert said.startswith("ArtifactError") and "can't be read: permission denied | ask its owner" in said
    if name.startswith("rows"):
        assert said == '["can\'t be read: permission deniedunreadable"]'


def test_a_finished_run_is_up_to_date(start, make_rows, folder):
    write(start, make_rows, folder / "out")

    def again() -> object:
        with start(folder / "out") as run:
            return run.finished()["teacher-cache"].rows

    assert as_stranger(folder, again) == "3"


@pytest.mark.parametrize("what", ["nothing", "partial"])
def test_one_that_is_not_is_refused_with_a_way_out(start, make_rows, folder, what):
    if what == "partial":
        write(start, make_rows, folder / "out", "partial")
    (folder / "out").mkdir(exist_ok=True)
    said = as_stranger(folder, lambda: start(folder / "out").__enter__())
    assert said.startswith(f"{UsageError.__name__}: `{folder / 'out'}` can't be written")
    assert "choose another directory with `--out`" in said


def test_another_run_is_refused_as_ever(start, make_rows, folder):
    write(start, make_rows, folder / "out")
    assert "holds a run that differs" in as_stranger(folder, lambda: start(folder / "out", verb="v").__enter__())


def ask(root: Path, *keys: str) -> Callable[[], object]:
    def _ask() -> object:
        with CallCache(root) as cache:
            return cache.get_many(keys)

    return _ask


@pytest.mark.parametrize("is_open_elsewhere", [False, True])
def test_a_call_cache_that_holds_all_can_be_read(folder, is_open_elsewhere):
    with CallCache(folder) as cache:
        cache.put_many({"a": 1, "b": 2})
        if is_open_elsewhere:
            assert as_stranger(folder, ask(folder, "a", "b")) == "{'a': 1, 'b': 2}"
    assert as_stranger(folder, ask(folder, "a", "b")) == "{'a': 1, 'b': 2}"


def test_one_that_lacks_some_refuses_before_anybody_is_asked(folder):
    with CallCache(folder) as cache:
        cache.put_many({"a": 1})
    said = as_stranger(folder, ask(folder, "a", "b"))
    assert said.startswith(ArtifactError.__name__) and "lacks 1 of 2 answers, and can't be written" in said


def test_a_changed_answer_that_can_not_be_set_aside(folder):
    with CallCache(folder) as cache:
        cache.put_many({"a": 1})
    with sqlite3.connect(folder / ".cache" / "calls.sqlite3") as db:
        db.execute("UPDATE calls SET value = '2'")
    db.close()
    said = as_stranger(folder, ask(folder, "a"))
    assert "1 of the answers" in said and "ask its owner" in said


def test_an_older_cache_that_may_only_be_read(folder):
    (folder / ".cache").mkdir()
    with sqlite3.connect(folder / ".cache" / "calls.sqlite3") as db:
        db.execute("CREATE TABLE calls (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO calls VALUES ('a', '1')")
    db.close()
    assert as_stranger(folder, ask(folder, "a")) == "{'a': 1}"


def test_no_cache_where_none_may_be_made(folder):
    assert "can't be used" in as_stranger(folder, ask(folder, "a"))
