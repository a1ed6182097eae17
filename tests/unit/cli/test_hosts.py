from pathlib import Path

import pytest

from rilctl.cli.hosts import num_processes, read_hostfile
from rilctl.errors import UsageError


def hostfile(directory: Path, text: str) -> Path:
    (directory / "hosts.txt").write_text(text)
    return directory / "hosts.txt"


def test_processes_of_all_hosts_are_counted(tmp_path: Path) -> None:
    path = hostfile(tmp_path, "# two hosts\n\nnode1 slots=8\n  node2\tslots=4  # half\n")
    assert read_hostfile(path) == {"node1": 8, "node2": 4}
    assert num_processes(None, path) == 12 and num_processes(2, path) == 4
    assert num_processes(6, None) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node1 slots=8\nnode2\n", "line 2: `node2` is not `host slots=N`"),
        ("node1 slots=0\n", "line 1: .* is not"),
        ("node1 slots=8\nnode1 slots=8\n", "line 2: .* names node1 again"),
        ("# nobody\n", "names no host"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_hostfile(hostfile(tmp_path, text))


def test_a_missing_file_is_an_error_and_not_this_host_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        num_processes(8, tmp_path / "nowhere")
