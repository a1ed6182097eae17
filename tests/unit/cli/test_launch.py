import os
import socket
from pathlib import Path

import pytest

from rilctl.artifacts.launches import ALIVE, LAUNCH_HOST
from rilctl.cli.launch import launch, launcher_command
from rilctl.cli.launched import alive, new_directory
from rilctl.config.load import load_recipe
from rilctl.errors import UsageError


def option(command: list[str], name: str) -> str | None:
    return command[command.index(name) + 1] if name in command else None


def test_this_host() -> None:
    command = launcher_command({}, 4, None)
    assert option(command, "--num_gpus") == "4" and option(command, "--hostfile") is None
    assert command[-2:] == ["--module", "rilctl.cli.rank"]


def test_visible_gpus_are_respected() -> None:
    command = launcher_command({"CUDA_VISIBLE_DEVICES": "4,6,7"}, 2, None)
    assert option(command, "--include") == "localhost:4,6" and option(command, "--num_gpus") is None
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES names 3"):
        launcher_command({"CUDA_VISIBLE_DEVICES": "4,6,7"}, 4, None)


def test_several_hosts(tmp_path: Path) -> None:
    command = launcher_command({"CUDA_VISIBLE_DEVICES": "0"}, 8, tmp_path / "hosts.txt")
    assert option(command, "--hostfile") == str(tmp_path / "hosts.txt") and option(command, "--num_gpus") == "8"


@pytest.mark.parametrize("table", ["", "[train]\n"])
def test_torch_is_one_process(tmp_path: Path, table: str) -> None:
    (tmp_path / "recipe.toml").write_text(table)
    recipe = load_recipe((tmp_path / "recipe.toml",), (), {})
    with pytest.raises(UsageError, match="need DeepSpeed") as caught:
        launch("train", recipe, gpus=2, hostfile=None)
    assert caught.value.hint == "add `--set train.engine.type=deepspeed`"


def test_a_killed_launch_is_swept_by_the_next(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:  # ends as if killed: nothing is put away
        with alive(new_directory(tmp_path)):
            os._exit(0)
    os.waitpid(pid, 0)
    (killed,) = tmp_path.iterdir()
    assert (killed / LAUNCH_HOST).read_text() == socket.gethostname()
    elsewhere, just_made = tmp_path / ".launch-elsewhere", tmp_path / ".launch-new"
    for directory in (elsewhere, just_made):
        directory.mkdir()
        (directory / ALIVE).touch()
    (elsewhere / LAUNCH_HOST).write_text("another host")
    first = new_directory(tmp_path)
    assert not killed.exists()
    with alive(first):
        second = new_directory(tmp_path)
    assert {*tmp_path.iterdir()} == {elsewhere, just_made, first, second}
