"""Starts processes that train: one alone, or two that meet over gloo."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rilctl.engines.ports import hold_port

QUIET = {"OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1"}
PATIENCE_S = 900


def start_ranks(
    script: Path, *arguments: str, num_ranks: int = 1, accelerator: str = "cpu"
) -> list[subprocess.Popen[str]]:
    """All ranks of a script; DeepSpeed's `accelerator` is in their environment."""
    port = hold_port()
    processes = []
    for rank in range(num_ranks):
        environment = {**os.environ, **QUIET, "DS_ACCELERATOR": accelerator}
        if num_ranks > 1:
            environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_ranks)}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        command = [sys.executable, str(script), *arguments]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment))
    return processes


def run_ranks(
    script: Path, *arguments: str, num_ranks: int = 1, accelerator: str = "cpu"
) -> list[subprocess.CompletedProcess[str]]:
    """The same, waited for."""
    processes = start_ranks(script, *arguments, num_ranks=num_ranks, accelerator=accelerator)
    done = []
    for process in processes:
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            for each in processes:
                each.kill()
            raise
        done.append(subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr))
    return done


def run_cases(script: Path, cases: Mapping[int, Sequence[str]], folder: Path) -> dict[int, Path]:
    """Every case of a script that takes OUT NAME …, by number of ranks; the folders of what each number wrote."""
    folders = {num_ranks: folder / f"ranks-{num_ranks}" for num_ranks in cases}
    for num_ranks, names in cases.items():
        folders[num_ranks].mkdir()
        for rank, done in enumerate(run_ranks(script, str(folders[num_ranks]), *names, num_ranks=num_ranks)):
            assert done.returncode == 0, f"rank {rank}: {done.stderr[-4000:]}"
    return folders
