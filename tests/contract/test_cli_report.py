"""`rilctl report` as it is typed: what goes to stdout, what to a file, and what it refuses."""

import json
import os
from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.cli.app import run
from rilctl.reporting.metrics import MetricsLog


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that stopped after three steps."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")  # as it was, when the test is over
    out = tmp_path / "runs" / "pocket" / "train"
    config = {"train": {"num_steps": 9}}
    with open_run(out, verb="train", config=config, semantic={}, inputs=[], roles={"student": "student"}) as opened:
        log = MetricsLog(opened.path)
        for step in (1, 2, 3):
            log.write(step, {"policy/entropy": 0.5, "policy/num_bad_steps": float(step == 3)})
    return out


def test_a_page_by_default_whose_path_is_the_result(training: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "runs"]) == 0
    stdout, stderr = capfd.readouterr()
    assert stdout == "report.html\n"
    assert "stopped at step 3 of 9" in stderr and "bad-updates" in stderr
    page = Path("report.html").read_text()
    assert page.lower().startswith("<!doctype html>") and "runs/pocket/train" in page
    assert run(["report", "runs", "--json"]) == 0  # an older report is replaced
    said = json.loads(capfd.readouterr().out)
    assert said["report"] == "report.html" and said["size_bytes"] == len(Path("report.html").read_bytes())
    assert [warning["name"] for warning in said["warnings"]] == ["bad-updates"]
    assert said["runs"][0] | {"path": ""} == {"name": "pocket/train", "path": "", "verb": "train", "state": "stopped"}


def test_other_formats_go_to_stdout(training: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["report", str(training), "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["runs"][0]["steps_done"] == 3
    assert run(["report", str(training), "--format", "md"]) == 0
    assert capfd.readouterr().out.startswith("# pocket/train\n")
    assert run(["report", str(training), "--format", "md", "--out", "r.md"]) == 0
    assert capfd.readouterr().out == "r.md\n" and Path("r.md").read_text().startswith("# pocket/train\n")
    assert not Path("report.html").exists()


def test_what_it_refuses(training: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("report.html").write_text("somebody's own page")
    assert run(["report", "runs"]) == 2
    assert "`report.html` is no report, and isn't overwritten" in capfd.readouterr().err
    assert Path("report.html").read_text() == "somebody's own page"
    assert run(["report", "runs", "--out", "runs"]) == 2
    capfd.readouterr()
    for arguments, hint in (
        (["--out", "r.pdf"], "name it `r.html`"),
        (["--out", "r.md"], "add `--format md`"),
        (["--out", "r.JSON"], "add `--format json`"),
        (["--out", "r.html", "--format", "md"], "add `--format html`"),
        (["--out", "r.v2", "--format", "md"], "name it `r.md`"),
    ):
        assert run(["report", "runs", *arguments]) == 2
        stdout, stderr = capfd.readouterr()
        assert stdout == "" and f"error: `{arguments[1]}` doesn't end as a report of `--format " in stderr
        assert f"\nhint: {hint}" in stderr and not Path(arguments[1]).exists()
    os.mkfifo("pipe.html")  # to look into it would wait for somebody who writes
    for out, problem in (("-", "a report isn't written to `-`"), ("pipe.html", "`pipe.html` is no ordinary file")):
        assert run(["report", "runs", "--out", out]) == 2
        assert f"error: {problem}\nhint: " in capfd.readouterr().err
    for words in (["report", "runs", "--pictures-mb"], ["watch", "runs", "--interval"]):
        assert run([*words, "inf"]) == 2
        assert f"invalid value for `{words[2]}`" in capfd.readouterr().err
    assert run(["report", "runs", "--out", "nowhere/r.html"]) == 2
    assert run(["report", "nothing", "--out", "new.html"]) == 5
    assert "`nothing` doesn't exist" in capfd.readouterr().err
