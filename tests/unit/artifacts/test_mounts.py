"""Which file system a path lies on, and what the call cache makes of it."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from rilctl.artifacts import calls_file
from rilctl.artifacts.calls import CallCache
from rilctl.artifacts.mounts import Mount, mount_of
from rilctl.errors import ArtifactError

TABLE = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /mnt/a\040b rw,nosuid shared:7 - nfs4 host:/export rw,vers=4.2,local_lock=none
31 22 0:26 / /mnt/old rw - nfs host:/old rw,vers=3,nolock
32 30 0:27 / /mnt/a\040b/tmp rw - tmpfs tmpfs rw
33 22 0:28 / /mnt/cifs rw master:3 propagate_from:2 - cifs //host/share rw,nobrl
34 22 0:29 / /mnt/ssh rw - fuse.sshfs me@host: rw
35 22 0:30 / /mnt/ntfs rw - fuseblk /dev/vdb rw
36 22 0:31 / /mnt/twice rw - ext4 /dev/vdc rw
37 22 0:32 / /mnt/twice rw - lustre host@tcp:/l rw,flock
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "mountinfo").write_text(TABLE)
    return tmp_path / "mountinfo"


@pytest.mark.parametrize(
    ("path", "kind", "may_be_shared", "lacks_locks"),
    [
        ("/home/me/runs", "ext4", False, False),
        ("/mnt/a b/runs/.cache", "nfs4", True, False),
        ("/mnt/a b/tmp/runs", "tmpfs", False, False),
        ("/mnt/a bc", "ext4", False, False),
        ("/mnt/old/runs", "nfs", True, True),
        ("/mnt/cifs/runs", "cifs", True, True),
        ("/mnt/ssh/runs", "fuse.sshfs", True, True),
        ("/mnt/ntfs/runs", "fuseblk", False, False),
        ("/mnt/twice/runs", "lustre", True, False),
    ],
)
def test_the_nearest_mount_counts(table: Path, path: str, kind: str, may_be_shared: bool, lacks_locks: bool) -> None:
    mount = mount_of(Path(path), table)
    assert mount is not None
    assert (mount.kind, mount.may_be_shared, mount.lacks_locks) == (kind, may_be_shared, lacks_locks)


def test_nobody_says(tmp_path: Path) -> None:
    assert mount_of(tmp_path, tmp_path / "gone") is None


def lie_on(monkeypatch: pytest.MonkeyPatch, mount: Mount) -> None:
    monkeypatch.setattr(calls_file, "mount_of", lambda path: mount)


def journal_of(root: Path) -> str:
    with contextlib.closing(sqlite3.connect(root / ".cache/calls.sqlite3")) as database:
        return str(database.execute("PRAGMA journal_mode").fetchone()[0])


def test_a_network_file_system_gets_a_journal_that_hosts_can_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CallCache(tmp_path) as cache:  # on a local disk, and moved there
        cache.put_many({"a": 1})
    assert journal_of(tmp_path) == "wal"
    lie_on(monkeypatch, Mount(tmp_path, "nfs4", ("rw",)))
    with CallCache(tmp_path) as first, CallCache(tmp_path) as second:
        second.put_many({"b": 2})
        assert first.get_many(["a", "b"]) == {"a": 1, "b": 2}
        assert not [*tmp_path.glob(".cache/*-shm")]
    assert journal_of(tmp_path) == "delete"


def test_one_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lie_on(monkeypatch, Mount(tmp_path, "nfs", ("rw", "nolock")))
    with pytest.raises(ArtifactError, match="without locks between hosts: `nfs` at") as caught:
        CallCache(tmp_path)
    assert "`[workspace].root`" in str(caught.value.hint)
    assert not (tmp_path / ".cache/calls.sqlite3").exists()
