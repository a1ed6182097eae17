"""One writer, named; a dead one doesn't block. What a killed process leaves is in tests/crash."""

import json
import os

import pytest

from rilctl.artifacts.locks import writer_lock
from rilctl.errors import LockedError


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
