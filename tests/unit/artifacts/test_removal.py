"""What `artifacts rm` and `gc` would delete, and what is left when they did."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rilctl.artifacts.dependents import artifact_users
from rilctl.artifacts.gc import plan_gc
from rilctl.artifacts.listing import list_artifacts
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.read import input_entry
from rilctl.artifacts.removal import REMOVED_PREFIX, Removal, remove
from rilctl.artifacts.removal_plan import plan_removal, workspaces_of
from rilctl.artifacts.stored import age_s, stored_runs
from rilctl.errors import ArtifactError, LockedError, UsageError

Make = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def make(start, root, make_rows) -> Make:
    """Writes a run `root/NAME`, made from some artifacts; its artifacts are of its own content, in roles or not."""
    num_rows = 0

    def _make(
        name: str, *used: Path, verb: str | None = None, roles: tuple[str, ...] = (), commit: bool = True
    ) -> Path:
        nonlocal num_rows
        inputs = [input_entry(f"input{i}", path) for i, path in enumerate(used)]
        kinds = dict.fromkeys(roles or ("teacher-cache",), "teacher-cache")
        with start(root / name, verb=verb or name.split("/")[-1], inputs=inputs, roles=kinds) as run:
            for role in kinds:
                num_rows += 1
                writer = run.writer("teacher-cache", role if roles else None)
                writer.write_rows(make_rows(num_rows))
                if commit:
                    writer.commit()
        return root / name

    return _make


@pytest.fixture
def chain(make: Make) -> dict[str, Path]:
    """cache <- judge <- train <- eval, an sft that nothing was made from, and a recipe that got no further."""
    cache = make("a/cache-teacher")
    judge = make("a/judge", cache)
    train = make("a/train", cache, judge, roles=("student", "rollouts"))
    evaluated = make("a/eval", train / "student")
    sft = make("a/sft", cache)
    return {"cache": cache, "judge": judge, "train": train, "eval": evaluated, "sft": sft, "b": make("b/cache-teacher")}


def paths(removals: list[Removal]) -> list[Path]:
    return [Path(each.path) for each in removals]


def test_what_others_were_made_from_stays_unless_these_go_too(chain, root) -> None:
    with pytest.raises(UsageError, match="were made from `.*/a/judge`") as refused:
        plan_removal([chain["judge"]], [root], dependents=False)
    assert str(chain["train"]) in refused.value.message and str(chain["eval"]) in refused.value.message
    removals = plan_removal([chain["judge"]], [root], dependents=True)
    assert paths(removals) == [chain["eval"], chain["train"], chain["judge"]]  # users first
    size = sum(file.lstat().st_size for file in chain["train"].rglob("*") if file.is_file())
    assert removals[1].size_bytes == size > 0
    remove(removals, [root])
    assert {run.path for run in stored_runs(root)} == {chain["cache"], chain["sft"], chain["b"]}
    assert sorted(path.name for path in (root / "a").iterdir()) == ["cache-teacher", "sft"]


def test_an_artifact_stands_for_its_run_and_a_run_under_way_counts(chain, root, make: Make) -> None:
    assert paths(plan_removal([chain["train"] / "rollouts", chain["eval"]], [root], dependents=False)) == [
        chain["eval"],
        chain["train"],
    ]
    begun = make("a/train-2", chain["sft"], verb="train", roles=("student",), commit=False)
    with pytest.raises(UsageError, match="train-2` was made from"):
        plan_removal([chain["sft"]], [root], dependents=False)
    assert paths(plan_removal([begun], [root], dependents=False)) == [begun]


def test_a_link_goes_and_what_it_leads_to_stays(chain, root, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(chain["cache"])
    (removal,) = plan_removal([link], [root], dependents=False)
    assert (removal.what, removal.path) == ("link", str(link))
    remove([removal], [root])
    assert not link.is_symlink() and (chain["cache"] / "manifest.json").exists()
    outside = tmp_path / "notes.txt"
    outside.write_text("mine")
    (chain["eval"] / "resume").mkdir()
    (chain["eval"] / "resume" / "out").symlink_to(tmp_path)
    remove(plan_removal([chain["eval"]], [root], dependents=False), [root])
    assert outside.read_text() == "mine" and chain["cache"].exists()


def test_what_is_not_ours_is_refused(chain, root, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name, content in (("index.html", "<p>"), ("manifest.json", '{"name": "a web page"}')):
        with pytest.raises(ArtifactError, match="neither a run nor an artifact|may be no run of ours"):
            plan_removal([site], [root], dependents=True)
        (site / name).write_text(content)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for path in (site, root, root / "a", site / "index.html", tmp_path / "nowhere", chain["train"] / "resume"):
        with pytest.raises(ArtifactError):
            plan_removal([path], [root], dependents=True)
    with pytest.raises(ArtifactError) as refused:
        plan_removal([root / "b"], [root], dependents=True)
    assert refused.value.hint == f"name the runs in it: `{chain['b']}`"


def test_other_runs_in_a_run_are_not_taken_along(chain, root) -> None:
    inner = chain["eval"] / "again"
    shutil.copytree(chain["b"], inner)
    with pytest.raises(UsageError, match="has other runs in it"):
        plan_removal([chain["eval"]], [root], dependents=True)


def test_a_run_that_somebody_writes_is_refused_before_anything_goes(chain, root) -> None:
    removals = plan_removal([chain["train"]], [root], dependents=True)
    with writer_lock(chain["train"]), pytest.raises(LockedError):
        remove(removals, [root])
    assert all((path / "run.json").exists() for path in chain.values())


def test_a_run_that_began_meanwhile_is_seen(chain, root, make: Make) -> None:
    removals = plan_removal([chain["sft"]], [root], dependents=False)
    make("a/train-2", chain["sft"], verb="train", commit=False)
    with pytest.raises(UsageError, match="meanwhile"):
        remove(removals, [root])
    assert chain["sft"].exists()


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from rilctl.artifacts import removal
from rilctl.artifacts.removal_plan import plan_removal

def cut(path):
    next(path.rglob("*.parquet")).unlink()
    os.kill(os.getpid(), signal.SIGKILL)

removal.remove_tree = cut
root = Path(sys.argv[1])
removal.remove(plan_removal([root / "a" / "eval"], [root], dependents=False), [root])
"""


def test_a_kill_leaves_nothing_that_looks_like_a_run(chain, root) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not chain["eval"].exists()
    assert {run.path for run in stored_runs(root)} == {*chain.values()} - {chain["eval"]}
    found = plan_gc(root).removals
    assert [path.name.startswith(f"{REMOVED_PREFIX}eval-") for path in paths(found)] == [False, True]
    remove(found, [root])
    assert sorted(os.listdir(root / "a")) == ["cache-teacher", "judge", "train"]


def test_two_artifacts_of_one_content_are_told_apart_by_where_they_lie(chain, root, make: Make) -> None:
    copy = root / "c" / "sft"
    shutil.copytree(chain["sft"], copy)
    user = make("c/train", copy)
    users = artifact_users(stored_runs(root))
    assert users[copy] == [user] and chain["sft"] not in users
    assert paths(plan_removal([chain["sft"]], [root], dependents=False)) == [chain["sft"]]
    shutil.move(root / "c", root / "d")  # moved with what it was made from
    assert artifact_users(stored_runs(root))[root / "d" / "sft"] == [root / "d" / "train"]


def test_gc_keeps_results_and_what_they_were_made_from(chain, root, make: Make) -> None:
    judged = make("a/judged", chain["train"] / "rollouts", verb="judge")  # a result that was made from a result
    found = plan_gc(root)
    assert paths(found.removals) == [chain["sft"]]
    assert {Path(run.path): run.reason for run in found.kept} == {
        chain["cache"]: "a/judge was made from it",
        chain["judge"]: "a/train was made from it",
        chain["train"]: "a run of train",
        chain["eval"]: "a run of eval",
        judged: "made from a train or eval run",
        chain["b"]: "no train or eval run beside it yet",
    }
    only = paths(plan_gc(root, [chain["judge"]]).removals)
    assert {*only} == {judged, chain["eval"], chain["train"], chain["sft"], chain["b"]}
    assert only.index(chain["train"]) > max(only.index(chain["eval"]), only.index(judged))  # users first
    assert paths(plan_gc(root, [root / "a"]).removals) == [chain["b"]]
    with pytest.raises(ArtifactError):
        plan_gc(root, [root / "x"])


def test_gc_leaves_alone_what_it_does_not_know(chain, root, make: Make) -> None:
    pretrained = make("a/pretrain-disc", chain["sft"], commit=False)  # under way: what it reads stays as well
    (chain["b"] / "run.json").write_text("{")
    (chain["b"] / "manifest.json").write_text("{")
    noted = make("a/sft-2")
    (noted / "notes.txt").write_text("the good one")
    found = plan_gc(root, [chain["eval"]])
    assert paths(found.removals) == []
    reasons = {Path(run.path): run.reason for run in found.kept}
    assert reasons[pretrained] == "not finished" and reasons[chain["sft"]] == "a/pretrain-disc was made from it"
    assert reasons[chain["b"]].startswith("can't be read")
    assert reasons[noted] == "`notes.txt` in it was written by no verb"
    (removal,) = plan_removal([noted], [root], dependents=False)
    assert removal.strays == ["notes.txt"]


def test_gc_sweeps_what_kills_left(chain, root, make: Make) -> None:
    finished, begun = chain["train"], make("a/train-2", roles=("student",), commit=False)
    for run in (finished, begun):
        for place in (run / "resume", run / "student" / ".tmp-staging"):
            place.mkdir(exist_ok=True)
            (place / "file").write_text("12345")
    (chain["eval"] / ".tmp-manifest.json").write_text("{}")  # a commit that its command finishes
    (chain["eval"] / "resume").mkdir()
    over, elsewhere = root / ".launch-a", root / ".launch-b"
    for place, host in ((over, os.uname().nodename), (elsewhere, "another")):
        place.mkdir()
        (place / "host").write_text(host)
        (place / "alive").touch()
    removals = plan_gc(root, [root / "a"]).removals[1:]
    assert paths(removals) == [finished / "resume", finished / "student" / ".tmp-staging", over]
    assert removals[0].size_bytes == 5 and age_s(removals[0].created_at, datetime.now(UTC)) == pytest.approx(
        0, abs=60
    )  # s
    remove(removals, [root])
    assert not over.exists() and elsewhere.exists() and (begun / "resume" / "file").exists()
    assert plan_gc(root, [root]).removals == []


def test_ls_says_who_uses_what(chain, root) -> None:
    users = {Path(found.path): [Path(user) for user in found.used_by] for found in list_artifacts(root)}
    assert users[chain["cache"]] == [chain["judge"], chain["sft"], chain["train"]]
    assert users[chain["train"] / "student"] == [chain["eval"]] and users[chain["train"] / "rollouts"] == []


def test_where_users_are_looked_for(chain, root, tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    assert workspaces_of([chain["cache"]], usual=usual) == [root / "a"]
    (root / ".cache").mkdir()
    (root / ".cache" / "calls.sqlite3").touch()
    usual.mkdir()
    assert workspaces_of([chain["cache"], chain["b"]], usual=usual) == [usual, root]
