"""vLLM's engine, in a process of its own, when the process that it runs for is killed."""

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import torch

from rilctl.models.loaded.weights import export_untied

from .conftest import load_policy

RUNS_VLLM = """
import multiprocessing, os, sys, time
from rilctl.engines.generation.vllm.plugin import PARENT

if __name__ == "__main__":
    os.environ |= {PARENT: str(os.getpid()), "VLLM_ENABLE_V1_MULTIPROCESSING": "1"}
    from vllm import LLM

    llm = LLM(sys.argv[1], dtype="float32", enforce_eager=True, kv_cache_memory_bytes=1 << 28, max_model_len=256)
    (engine,) = multiprocessing.active_children()
    print(f"engine {engine.pid}", flush=True)
    time.sleep(600)
"""


def test_the_engine_ends_with_a_killed_process(tmp_path: Path) -> None:
    assert entry_points(group="vllm.general_plugins", name="rilctl"), "install rilctl anew: its plugin isn't registered"
    export_untied(load_policy(), tmp_path, torch.float32)
    (tmp_path / "run.py").write_text(RUNS_VLLM)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "run.py"), str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    lines = (line for line in process.stdout if line.startswith("engine "))
    engine = int(next(lines, "engine 0").split()[1])
    assert engine, (tmp_path / "log").read_text()[-4000:]
    os.kill(engine, 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{engine}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
