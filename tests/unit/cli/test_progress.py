"""How far a unit is that takes long, on a stream that is no terminal."""

import pytest

from rilctl.cli import output


def test_a_unit_under_way_is_shown_until_the_next_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_PLAIN_INTERVAL_S", 0.0)
    reporter = output.ConsoleReporter()
    reporter.advance(0, metrics={"token": 1.0})
    reporter.begin("canaries", total=176, unit="canaries")
    reporter.advance(0, metrics={"token": 12.0})
    reporter.advance(32, metrics={"accuracy": 0.5})
    reporter.advance(0, metrics={"token": 7.0})
    reporter.end()
    none, under_way, done, again, end = capsys.readouterr().err.splitlines()
    assert (none, under_way) == ("canaries: 176 canaries", "canaries: 0/176 canaries, token 12")
    assert done.startswith("canaries: 32/176 canaries, ") and done.endswith(" left, accuracy 0.5")
    assert again.endswith("accuracy 0.5, token 7")
    assert "token" not in end and "accuracy 0.5, took" in end


def test_the_last_unit_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "_PLAIN_INTERVAL_S", 0.0)
    reporter = output.ConsoleReporter()
    reporter.begin("compare", total=2, unit="commands")
    reporter.advance()
    reporter.advance()
    reporter.end()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["2", "1/2", "2/2"] and ", took " in lines[-1]
