"""`artifacts rm|gc` on real artifacts, in this process; what they choose is in `tests/unit/artifacts`."""

import io
import json
import os
import pty
from pathlib import Path

import pytest

from rilctl.artifacts.read import input_entry
from rilctl.schemas.manifest import InputEntry
from tests.contract.test_cli_artifacts import call, write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """runs/pocket/{cache-teacher,train,sft}: the cache was used by `train`, and nobody used `sft`."""
    monkeypatch.chdir(tmp_path)
    data = InputEntry(role="data", kind="data", name="digits", digest="d" * 64)
    cache = write(Path("runs/pocket/cache-teacher"), "cache-teacher", [data])
    write(Path("runs/pocket/train"), "train", [input_entry("teacher-cache", cache)], "responses")
    write(Path("runs/pocket/sft"), "sft", [data])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return cache


def test_rm_refuses_shows_and_deletes(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "rm", cache, "--dry-run")
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: `runs/pocket/train` was made from `runs/pocket/cache-teacher`\nhint: `rilctl art")
    code, stdout, stderr = call(capfd, "artifacts", "rm", cache, "--dependents", "--dry-run")
    assert code == 0 and stderr.startswith("would free ")
    assert [line.split()[-1] for line in stdout.splitlines()[::2]] == ["runs/pocket/train", str(cache)]
    assert max(map(len, stdout.splitlines())) <= 80
    code, stdout, _ = call(capfd, "artifacts", "rm", cache, "--dependents", "--yes", "--json")
    told = json.loads(stdout)
    assert (code, told["deleted"], [each["verb"] for each in told["removals"]]) == (
        0, True, ["train", "cache-teacher"],
    )  # fmt: skip
    assert told["size_bytes"] == sum(each["size_bytes"] for each in told["removals"]) > 0
    assert sorted(os.listdir("runs/pocket")) == ["sft"]


def test_rm_of_a_role_says_that_the_run_goes(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "rm", "runs/pocket/train/responses", "--yes")
    assert code == 0 and stdout.splitlines()[0].endswith("  runs/pocket/train")
    assert stderr.startswith("`runs/pocket/train/responses` is a part of `runs/pocket/train`: the whole run goes\n")
    assert not Path("runs/pocket/train").exists()


def test_rm_needs_somebody_to_ask(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        ((), "there is no terminal to ask at"),
        (("--json",), "`--json` asks nobody"),
        (("--yes", "--dry-run"), "`--yes` deletes and `--dry-run` does not"),
    ):
        code, stdout, stderr = call(capfd, "artifacts", "rm", "runs/pocket/sft", *options)
        assert (code, stdout) == (2, "") and stderr.startswith(f"error: {said}\nhint: ")
    assert Path("runs/pocket/sft").exists()


def test_what_is_no_artifact_is_said_before_anybody_is_asked(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (("rm", "nosuch"), ("push", "nosuch", "me/mine")):
        code, stdout, stderr = call(capfd, "artifacts", *command)
        assert (code, stdout) == (5, "") and "`nosuch`" in stderr and "doesn't exist" in stderr
    assert call(capfd, "artifacts", "rm", "runs")[2].startswith("error: `runs` is neither a run nor an artifact")


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_rm_asks(
    cache: Path, answer: str, code: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        found = call(capfd, "artifacts", "rm", "runs/pocket/sft")
    os.close(ours)
    assert found[0] == code and "runs/pocket/sft\n" in found[2] and "delete this? [y/N]" in found[2]
    assert found[2].partition("[y/N]:")[2].strip().startswith("deleted " if code == 0 else "nothing was deleted")
    assert Path("runs/pocket/sft").exists() == bool(code)


def test_gc_shows_first(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "gc")
    assert code == 0 and stdout.splitlines()[0].split()[-1] == "runs/pocket/sft"
    assert "keeps runs/pocket/train: a run of train\n" in stderr
    assert stderr.endswith("nothing was deleted yet: `rilctl artifacts gc runs --yes` does it\n")
    assert Path("runs/pocket/sft").exists()
    told = json.loads(call(capfd, "artifacts", "gc", "--yes", "--json")[1])
    assert (told["deleted"], [each["path"] for each in told["removals"]]) == (True, ["runs/pocket/sft"])
    assert {run["path"] for run in told["kept"]} == {"runs/pocket/train", str(cache)}
    assert sorted(os.listdir("runs/pocket")) == ["cache-teacher", "train"]
    assert call(capfd, "artifacts", "gc")[2].startswith("nothing to delete\n")
    code, _, stderr = call(capfd, "artifacts", "gc", "nowhere")
    assert code == 5 and "`nowhere` doesn't exist" in stderr


def test_gc_names_what_was_named(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "gc", "--keep", "runs/pocket/sft")
    assert code == 0 and [line.split()[-1] for line in stdout.splitlines()[::2]] == ["runs/pocket/train", str(cache)]
    assert "`rilctl artifacts gc runs --keep runs/pocket/sft --yes`" in stderr


def test_ls_says_who_uses_what(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "ls")
    assert (code, stdout.splitlines()[1].split()) == (0, ["used", "by", "1:", "pocket/train"])
    assert stderr.startswith("3 artifacts, ")
