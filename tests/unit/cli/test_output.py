"""What other people wrote reaches neither stream in a form that a terminal obeys."""

import contextlib
import io
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rilctl.cli import output

EVIL = "id\x1b]0;gone\x07\x1b[2J\u202e[bold red]x[/]"
SHOWN = r"id\x1b]0;gone\x07\x1b[2J\u202e[bold red]x[/]"


@pytest.mark.parametrize(
    "write",
    [
        lambda: output.say(EVIL),
        lambda: output.warn(EVIL),
        lambda: output.error(EVIL),
        lambda: output.error("wrong", hint=EVIL),
        lambda: output.error("wrong", exception=ValueError(EVIL)),
        lambda: output.table(["name", "value"], [["a row", EVIL]]),
        lambda: output.pairs({EVIL: 1.0}),
        lambda: output.pairs({"a": EVIL}),
        lambda: output.ConsoleReporter().begin(EVIL, total=1, unit="rows"),
    ],
)
def test_stderr(write: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    write()
    assert SHOWN in "".join(stream.getvalue().split("\n")) or SHOWN in stream.getvalue().replace("\n", "")
    assert "\x1b" not in stream.getvalue() and "\u202e" not in stream.getvalue()


def test_an_error_that_quotes_lines_gives_no_hint_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    output.error("no `a\nhint: run this`\n  b = 1", hint="look\nerror: twice")
    assert stream.getvalue() == "error: no `a\n  hint: run this`\n  b = 1\nhint: look\n  error: twice\n"


def test_stdout_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    output.result(f"{EVIL}\nok /elsewhere", "second")
    output.result_json({"id": EVIL + "\x7f\x9b"})
    first, second, third = capfd.readouterr().out.split("\n")[:3]
    assert (first, second) == (SHOWN + r"\nok /elsewhere", "second")
    assert third.isprintable() and third.isascii()


@contextlib.contextmanager
def stdout_is(descriptor: int) -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def test_paths_and_answers_are_exact_for_programs_and_shown_on_terminals(tmp_path: Path) -> None:
    path = os.fsdecode(b"runs/\xff\x1b[2J\nnext")
    with (tmp_path / "out").open("wb") as file, stdout_is(file.fileno()):
        output.result_exact(path)
    assert (tmp_path / "out").read_bytes() == b"runs/\xff\x1b[2J\nnext\n"
    leader, follower = pty.openpty()
    try:
        with stdout_is(follower):
            output.result_exact(path)
        shown = b""
        while not shown.endswith(b"next\r\n"):
            shown += os.read(leader, 1000)
        assert shown == rb"runs/\udcff\x1b[2J" + b"\r\nnext\r\n"
    finally:
        os.close(leader)
        os.close(follower)


def test_a_library_that_asks_gets_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "yes").write_text("y\n" * 100)
    kept = os.dup(0)
    monkeypatch.setattr("sys.stdin", None)
    try:
        with (tmp_path / "yes").open() as answers:
            os.dup2(answers.fileno(), 0)
        output.close_stdin()
        with pytest.raises(EOFError):
            input("run its code? [y/N] ")
        assert subprocess.run(["cat"], capture_output=True, check=True).stdout == b""  # nor does a child
    finally:
        os.dup2(kept, 0)
        os.close(kept)
