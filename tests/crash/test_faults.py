"""A short campaign of kills, failing operations and power cuts; `nox -s crash` runs a long one.

The first tests show that a campaign can find what it looks for.
"""

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.config.recipe import VERBS

from .disk import Disk
from .kills import chains, failures, kills, tried
from .power_cuts import power_cuts
from .processes import Processes
from .shim import Fault, Kind, Mode, Shim, read_log, why_not
from .trials import subjects

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

WRITER = """
import os, sys
try:
    os.mkdir("root/sub")
    with open("root/sub/.tmp", "wb", buffering=0) as file:
        file.write(b"0123456789")
        os.fsync(file.fileno())
    os.rename("root/sub/.tmp", "root/sub/file")
    open("elsewhere", "w").write("not counted")
    os.unlink("root/sub/file")
except OSError as error:
    sys.exit(error.errno)
"""
DONE = [Kind.MKDIR, Kind.OPEN, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.UNLINK]


def write(folder: Path, fault: Fault, *, log: Path | None = None) -> tuple[int, Shim]:
    """Exit code of `WRITER` in a new folder."""
    (folder / "root").mkdir(parents=True)
    shim = Shim(folder)
    shim.arm(folder / "root", fault, log=log)
    environment = {**os.environ, **shim.environment}
    return subprocess.run([sys.executable, "-c", WRITER], cwd=folder, env=environment).returncode, shim


def test_the_shim_counts_and_records(tmp_path: Path) -> None:
    code, shim = write(tmp_path, Fault(), log=tmp_path / "log")
    assert (code, shim.num_operations, shim.hit) == (0, len(DONE), None)
    operations = [*read_log(tmp_path / "log", tmp_path / "root")]
    assert [operation.kind for operation in operations] == DONE
    assert (operations[2].path, operations[2].offset, operations[2].data) == ("sub/.tmp", 0, b"0123456789")
    assert (operations[4].path, operations[4].other) == ("sub/.tmp", "sub/file")


def test_the_shim_kills_tears_and_fails(tmp_path: Path) -> None:
    names = lambda folder: sorted(path.name for path in (folder / "root").rglob("*"))  # noqa: E731
    code, shim = write(tmp_path / "kill", Fault(3, Mode.KILL))
    assert (code, shim.hit, names(tmp_path / "kill")) == (-signal.SIGKILL, "write sub/.tmp", [".tmp", "sub"])
    assert (tmp_path / "kill/root/sub/.tmp").read_bytes() == b""
    code, _ = write(tmp_path / "tear", Fault(3, Mode.TEAR))
    assert (code, (tmp_path / "tear/root/sub/.tmp").read_bytes()) == (-signal.SIGKILL, b"01234")
    code, _ = write(tmp_path / "renamed", Fault(5, Mode.TEAR))
    assert (code, names(tmp_path / "renamed")) == (-signal.SIGKILL, ["file", "sub"])
    code, shim = write(tmp_path / "fail", Fault(4, Mode.FAIL, errno.EIO))
    assert (code, shim.hit) == (errno.EIO, "sync sub/.tmp")


@pytest.mark.parametrize("has_journal", [False, True])
def test_a_power_cut_spares_what_was_synced(tmp_path: Path, has_journal: bool) -> None:
    assert write(tmp_path, Fault(), log=tmp_path / "log")[0] == 0
    operations = [*read_log(tmp_path / "log", tmp_path / "root")]

    def states(num: int) -> set[tuple[str, ...]]:
        found = set()
        for seed in range(60):
            disk = Disk(tmp_path / "root", has_journal=has_journal)
            for operation in operations[:num]:
                disk.do(operation)
            target = tmp_path / f"{num}-{seed}"
            disk.write_after_power_cut(target, random.Random(seed))
            files = [path for path in target.rglob("*") if path.is_file()]
            found.add(tuple(f"{path.name} {path.read_bytes().decode()}" for path in files))
        return found

    before_sync = states(3)
    assert {(), (".tmp ",), (".tmp 0123456789",), (".tmp " + "\0" * 10,)} <= before_sync
    assert any(0 < len(name) < len(".tmp 0123456789") for state in before_sync for name in state)
    whole, nothing = (".tmp 0123456789",), {()}
    assert states(4) == {whole} | (set() if has_journal else nothing)  # a journal's names go along with any sync
    assert states(5) == {whole, ("file 0123456789",)} | (set() if has_journal else nothing)


@pytest.mark.timeout(1200)  # a minute of work, on a machine that may have much else to do
def test_nothing_comes_of_kills_failures_and_power_cuts(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        for subject in subjects(tmp_path, processes, VERBS, most_ranks=1):
            for campaign, num in ((kills, 1), (failures, 2), (chains, 1), (power_cuts, 2)):
                count = campaign(processes, subject, num, random.Random(f"{campaign.__name__} {subject.name}"))
                assert count.problems == []
                assert count.num_trials == num and count.num_faults >= num, (campaign.__name__, count)
            opened = [at for at, each in enumerate(subject.operations, 1) if each.kind is Kind.OPEN]
            last = max(at for at in opened if "/.tmp-staging/" in subject.operations[at - 1].path)
            assert tried(processes, subject, [[Fault(last, Mode.KILL)]]).problems == []  # other roles are complete
