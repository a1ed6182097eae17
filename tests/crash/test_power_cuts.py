"""Power cuts while artifacts are written: in states in which a disk may be left."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import read_manifest
from rilctl.artifacts.verify import verify

from .artifact_writers import write_roles
from .disk import Disk
from .shim import Fault, Kind, Operation, Shim, read_log, why_not

NUM_CUTS = 50

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.mark.parametrize("replaces_partial", [False, True])
def test_an_artifact_is_there_whole_or_not_at_all(tmp_path: Path, replaces_partial: bool) -> None:
    before = tmp_path / "before"
    before.mkdir()
    if replaces_partial:
        write_roles(str(before / "out"), "partial")
    operations = recorded(tmp_path, replaces_partial)
    assert len(operations) > 60
    expected = {name: read_manifest(tmp_path / "recorded/out" / name).content_digest for name in ROLES}
    chance = random.Random(0)
    places = [at for at in range(len(operations)) if operations[at].kind is not Kind.WRITE or at % 50 == 0]
    for index, after in enumerate([*sorted(chance.sample(places, NUM_CUTS)), *[len(operations)] * 4]):
        disk = Disk(before, has_journal=bool(index % 2))
        for operation in operations[:after]:
            disk.do(operation)
        out = tmp_path / f"cut-{index}" / "out"
        disk.write_after_power_cut(out.parent, chance)
        said = f"after {after} of {len(operations)} operations, cut {index}"
        is_whole = [role for role in ROLES if (out / role / MANIFEST).exists()]
        assert [verify(out / role).problems for role in is_whole] == [[]] * len(is_whole), said
        if after == len(operations):  # the command has ended: nothing may be lost any more
            assert [read_manifest(out / role).status for role in is_whole] == ["complete"] * len(ROLES), said
        write_roles(str(out), "complete")
        assert {role: read_manifest(out / role).content_digest for role in ROLES} == expected, said
        assert not [*out.rglob(".tmp-*")], said


ROLES = ("responses", "student")


def recorded(folder: Path, replaces_partial: bool) -> list[Operation]:
    """What writing artifacts does to files, in a process of its own."""
    shim, log, root = Shim(folder), folder / "log", folder / "recorded"
    root.mkdir()
    writer = Path(__file__).with_name("artifact_writers.py")

    def write(status: str) -> None:
        order = json.dumps({"writer": "write_roles", "arguments": [str(root / "out"), status], "kill_after_s": None})
        environment = {**os.environ, **shim.environment}
        done = subprocess.run([sys.executable, writer], input=order, env=environment, capture_output=True, text=True)
        assert done.stdout == "0\n", done.stderr

    if replaces_partial:
        write("partial")
    shim.arm(root, Fault(), log=log)
    write("complete")
    shim.disarm()
    return [*read_log(log, root)]
