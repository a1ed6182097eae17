"""One writer, named; a dead one doesn't block. What a killed process leaves is in tests/crash."""

import json
import os

import pytest

from rilctl.artifacts import locks
from rilctl.artifacts.locks import Waiting, writer_lock
from rilctl.errors import InterruptedByUser, LockedError


def test_the_second_writer_reads_the_firsts_name(tmp_path):
    with writer_lock(tmp_path), pytest.raises(LockedError) as caught, writer_lock(tmp_path):
        pass
    assert caught.value.exit_code == 6
    assert f"process {os.getpid()} on {os.uname().nodename} since 20" in caught.value.message
    with writer_lock(tmp_path):
        pass


def test_a_holder_that_has_not_written_its_name_yet(tmp_path):
    with writer_lock(tmp_path):
        (tmp_path / ".lock.json").unlink()
        with pytest.raises(LockedError, match="by another process"), writer_lock(tmp_path):
            pass


def test_a_name_left_behind_does_not_block(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock.json").write_text(json.dumps({"pid": 1, "host": "h", "since": "2020-01-01"}))
    with writer_lock(tmp_path):
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock.json").exists()


def test_an_error_inside_lets_go(tmp_path):
    with pytest.raises(KeyError), writer_lock(tmp_path):
        raise KeyError
    with writer_lock(tmp_path):
        pass


def test_a_writer_waits_for_another_one_and_says_for_whom(tmp_path):
    said = []
    held = writer_lock(tmp_path)
    held.__enter__()

    def look():
        if said and held is not None:
            held.__exit__(None, None, None)

    with writer_lock(tmp_path, Waiting(said.append, look)):
        assert json.loads((tmp_path / ".lock.json").read_text())["pid"] == os.getpid()
    (line,) = said
    assert line.startswith(f"`{tmp_path}` is being written by process {os.getpid()} on {os.uname().nodename} since 20")
    assert line.endswith(": waiting for it, at most 90 s")


def test_the_wait_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE_S", 0.3)
    said = []
    with writer_lock(tmp_path), pytest.raises(LockedError), writer_lock(tmp_path, Waiting(said.append, lambda: None)):
        pass
    assert len(said) == 1


def test_a_signal_ends_the_wait(tmp_path):
    def stop():
        raise InterruptedByUser(2, "rilctl sft")

    with writer_lock(tmp_path), pytest.raises(InterruptedByUser), writer_lock(tmp_path, Waiting(print, stop)):
        pass
