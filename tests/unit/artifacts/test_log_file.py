"""A log goes on from what a checkpoint knows of it, or is refused."""

from pathlib import Path

import pytest

from rilctl.artifacts.log_file import LogFile
from rilctl.errors import ArtifactError


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    log = LogFile(tmp_path / "log.jsonl")
    log.append(["1\n", "2 \u2028 \u00e9\r\n"])
    return log


def test_what_came_after_the_checkpoint_goes_and_a_line_that_was_cut_short(log: LogFile) -> None:
    mark, before = log.mark(), log.path.read_bytes()
    log.append(["3\n"])
    with log.path.open("ab") as file:
        file.write("{\u00e9".encode()[:-1])
    again = LogFile(log.path)
    again.cut_to(mark)
    assert log.path.read_bytes() == before
    again.append(["4\n"])
    assert log.path.read_bytes() == before + b"4\n"
    again.cut_to(again.mark())
    assert again.mark().size_bytes == len(before) + 2


def test_without_a_checkpoint_nothing_is_kept(log: LogFile, tmp_path: Path) -> None:
    log.cut_to(None)
    assert log.path.read_bytes() == b""
    LogFile(tmp_path / "none").cut_to(None)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"", lambda data: b"9" + data[1:]])
def test_what_was_cut_emptied_or_edited_is_refused_and_left_as_it_is(log: LogFile, change) -> None:
    mark = log.mark()
    changed = change(log.path.read_bytes())
    log.path.write_bytes(changed)
    with pytest.raises(ArtifactError, match=r"log\.jsonl` was cut or changed"):
        LogFile(log.path).cut_to(mark, hint="start over")
    assert log.path.read_bytes() == changed


def test_a_log_that_is_gone_is_refused(log: LogFile) -> None:
    mark = log.mark()
    log.path.unlink()
    with pytest.raises(ArtifactError, match="is gone"):
        LogFile(log.path).cut_to(mark, hint="start over")


def test_a_change_under_a_running_command_is_found(log: LogFile) -> None:
    log.check(hint="")
    with log.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(ArtifactError, match="while the run was under way"):
        log.check(hint="start over")
