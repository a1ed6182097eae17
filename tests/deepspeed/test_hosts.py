"""Ranks of several hosts, each with a copy of the data and models: what differs is found before anything is learned."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from rilctl.engines.ports import hold_port
from rilctl.testing.ranks import PATIENCE_S, QUIET
from rilctl.testing.workspaces import write_workspace

SFT = ("sft", "--set", "sft.engine={ type = 'deepspeed', zero_stage = 2 }", "--set", "sft.num_steps=1")


@pytest.fixture
def hosts(tmp_path: Path) -> list[Path]:
    """Two folders that stand for two hosts' own disks; the output directory is shared."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_workspace(first, num_questions=8)
    shutil.copytree(first, second)
    return [first, second]


def start(hosts: list[Path], out: Path, *sets: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code and stderr of `sft` as each host's only rank."""
    port = hold_port()
    world = {"WORLD_SIZE": str(len(hosts)), "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "rilctl", *SFT, "--out", str(out), *own],
            cwd=host,
            env={**os.environ, **QUIET, **world, "RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, (host, own) in enumerate(zip(hosts, sets or ((), ()), strict=True))
    ]
    said = [process.communicate(timeout=PATIENCE_S)[1] for process in processes]
    return [(process.returncode, stderr) for process, stderr in zip(processes, said, strict=True)]


def test_another_template_on_one_host_is_another_student(hosts: list[Path], tmp_path: Path) -> None:
    template = hosts[1] / "student/chat_template.jinja"
    before = template.read_text()
    template.write_text(before + " ")
    refused = start(hosts, tmp_path / "out")
    assert [code for code, _ in refused] == [5, 5]
    assert "rank 1 has another student than rank 0" in refused[1][1]
    assert not (tmp_path / "out/run.json").exists()
    template.write_text(before)
    assert [code for code, _ in start(hosts, tmp_path / "out")] == [0, 0]


def test_so_are_another_picture_and_another_recipe(hosts: list[Path], tmp_path: Path) -> None:
    other = ((), ("--set", "sft.seed=7"))
    assert "rank 1 has another recipe than rank 0" in start(hosts, tmp_path / "out", *other)[1][1]
    for picture in hosts[1].glob("*.png"):
        Image.new("RGB", (56, 56), "white").save(picture)
    assert "rank 1 has another data, validation than rank 0" in start(hosts, tmp_path / "out")[1][1]
