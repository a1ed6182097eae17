"""`artifacts cache` on a real cache, in this process; what it chooses is in `tests/unit/artifacts`."""

import json
from pathlib import Path

import pytest

from rilctl.artifacts.askers import Asker
from rilctl.artifacts.calls import CallCache
from tests.contract.test_cli_artifacts import call


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = Path("runs")
    with CallCache(root, Asker("teacher", "Qwen/Qwen2.5-VL-72B-Instruct", root / "a" / "cache-teacher")) as cache:
        cache.put_many({f"a{i}": {"text": "x" * 100} for i in range(2000)})
    with CallCache(root, Asker("judge", "Gemma", root / "b" / "judge")) as cache:
        cache.put_many({f"b{i}": {"text": "x" * 100} for i in range(3)})
        cache.get_many(["a0"])
    return root


def test_it_shows_and_changes_nothing(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "cache")
    assert code == 0 and stderr.startswith("runs/.cache/calls.sqlite3: 2,003 answers, ")
    assert "smaller" not in stderr
    lines = stdout.splitlines()
    assert lines[0].split()[:2] == ["teacher", "2000"] and lines[0].endswith("  Qwen/Qwen2.5-VL-72B-Instruct")
    assert lines[1].strip() == "asked by a/cache-teacher; used by b/judge" and max(map(len, lines)) <= 80
    assert lines[2].split()[:2] == ["judge", "3"] and lines[3].strip() == "asked by b/judge"


def test_it_shows_what_would_go_and_then_deletes_it(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "cache", "--recipe", "b")
    assert code == 0 and [line.split()[0] for line in stdout.splitlines()] == ["judge", "asked"]
    assert stderr.endswith("nothing was deleted yet: `rilctl artifacts cache runs --recipe b --yes` does it\n")
    told = json.loads(call(capfd, "artifacts", "cache", "--orphaned", "--yes", "--json")[1])
    assert (told["num_deleted"], len(told["chosen"])) == (2003, 2) and told["freed_bytes"] > 100_000
    code, stdout, stderr = call(capfd, "artifacts", "cache", "--compact")
    assert (code, stdout) == (0, "") and stderr.startswith("runs/.cache/calls.sqlite3: 0 answers, ")


def test_the_age_is_of_the_last_use(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert json.loads(call(capfd, "artifacts", "cache", "--older-than", "1h", "--json")[1])["chosen"] == []
    assert len(json.loads(call(capfd, "artifacts", "cache", "--older-than", "0h", "--json")[1])["chosen"]) == 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--older-than", "30"], 2, "error: `30` is no age\nhint: a number of hours, days or weeks"),
        (["--yes"], 2, "error: `--yes` says nothing of what goes\nhint: "),
        (["nowhere"], 5, "error: `nowhere` doesn't exist\nhint: "),
    ],
)
def test_what_it_refuses(
    root: Path, options: list[str], code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = call(capfd, "artifacts", "cache", *options)
    assert found[:2] == (code, "") and found[2].startswith(said)
