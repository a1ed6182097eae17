"""The paper's layout on two ranks while something is killed: the same command goes on, with the same metrics."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from rilctl.config.load import load_recipe
from rilctl.config.shipped import recipes_dir
from rilctl.pipeline.rehearsal.asked import Server
from rilctl.pipeline.rehearsal.derive import Rehearsal, derive
from rilctl.pipeline.rehearsal.engines import Machine
from rilctl.pipeline.rehearsal.servers import Servers, opened_servers
from rilctl.pipeline.rehearsal.walk import ENVIRONMENT
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter

from .conftest import PATIENCE_S, outlived

NAME = "paper-qwen7b"
GPUS = ("--gpus", "2")
LONGER = ("--set", "train.sampling.max_new_tokens=64")
"""So that a step's rollouts take long enough to be hit."""
EXACT = ("student.dtype=float32",)
"""In bfloat16 vLLM may round a row otherwise in another batch, and what a kill left over is asked in another batch."""


@dataclass
class Layout:
    """The paper's layout, small, up to `pretrain-disc`, with its servers running."""

    folder: Path
    plan: Rehearsal
    servers: Servers

    def server(self, name: str) -> Server:
        return next(server for server in self.plan.servers if server.name == name)

    def start(self, verb: str, *arguments: str, log: str | None = None) -> "subprocess.Popen[bytes]":
        together = GPUS if verb in self.plan.ranked else ()
        command = [sys.executable, "-m", "rilctl", verb, f"{NAME}.toml", *together, *arguments]
        with self.log(log or verb).open("ab") as file:
            return subprocess.Popen(command, cwd=self.folder, env=self.servers.environment, stdout=file, stderr=file)

    def log(self, name: str) -> Path:
        return self.folder / f"logs/{name}.log"

    def finish(self, process: "subprocess.Popen[bytes]", log: str) -> None:
        assert process.wait(PATIENCE_S) == 0, self.log(log).read_text(errors="replace")[-6000:]

    def train(self, out: str) -> "subprocess.Popen[bytes]":
        """`train` into a directory of its own; no verdict is known yet."""
        shutil.rmtree(self.folder / "runs/.cache", ignore_errors=True)
        return self.start("train", "--out", out, *LONGER, log=out)

    def go_on(self, out: str) -> None:
        """The same command again."""
        self.finish(self.start("train", "--out", out, *LONGER, log=out), out)

    def metrics(self, out: str) -> list[dict[str, float]]:
        """What is the same in every run; `sync/` is of weight updates, and a resumed step may need none."""
        rows = read_metrics(self.folder / out / "metrics.jsonl")
        return [{key: value for key, value in row.items() if not key.startswith("sync/")} for row in rows]

    def until_step(self, out: str, step: int, process: "subprocess.Popen[bytes]") -> None:
        path = self.folder / out / "metrics.jsonl"
        wait(lambda: path.exists() and any(row["step"] >= step for row in read_metrics(path)), process)

    def until_sampling(self, process: "subprocess.Popen[bytes]") -> None:
        """Until vLLM has a request under way, or has answered one meanwhile: its own figures may be slow to ask for."""
        url = f"http://127.0.0.1:{self.server('sampler').port}/metrics"

        def total(name: str) -> float:
            lines = httpx2.get(url, timeout=60).text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"vllm:{name}{{"))

        before = total("generation_tokens_total")
        wait(lambda: total("num_requests_running") > 0 or total("generation_tokens_total") > before, process)


def wait(until, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, open_ = [], [pid]
    while open_:
        children = parents.get(open_.pop(), [])
        found += children
        open_ += children
    return found


def rank_of(pid: int) -> str | None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        environment = dict(
            pair.split(b"=", 1) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in pair
        )
    except OSError:
        return None
    return environment.get(b"RANK", b"").decode() if b"rilctl.cli.rank" in words else None


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    folder = tmp_path_factory.mktemp("layout")
    environment = {**os.environ, **ENVIRONMENT}
    recipe = load_recipe([recipes_dir() / f"{NAME}.toml"], EXACT)
    plan = derive(recipe, NAME, folder, folder, Machine(has_vllm=True, num_ranks=2), 2)
    (folder / f"{NAME}.toml").write_text(plan.draft.toml())
    (folder / "logs").mkdir()
    with opened_servers(folder, environment, SilentReporter()) as servers:
        made = Layout(folder, plan, servers)
        for verb in ("cache-teacher", "sft"):
            made.finish(made.start(verb), verb)
        for server in plan.servers:
            servers.start(server)
        made.finish(made.start("pretrain-disc"), "pretrain-disc")
        yield made
    assert not outlived(folder)


@pytest.fixture(scope="module")
def undisturbed(layout: Layout) -> list[dict[str, float]]:
    layout.finish(layout.train("undisturbed"), "undisturbed")
    metrics = layout.metrics("undisturbed")
    assert [row["step"] for row in metrics] == [0, 1, 2, 3, 4]
    return metrics


def test_the_sampler_is_killed_in_mid_step_and_comes_back(layout: Layout, undisturbed) -> None:
    process = layout.train("sampler")
    layout.until_step("sampler", 1, process)
    layout.until_sampling(process)
    sampler = layout.server("sampler")
    killed = layout.servers.running.pop(sampler)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    layout.servers.start(sampler)
    layout.finish(process, "sampler")
    assert "waiting for the vLLM server at" in layout.log("sampler").read_text()
    assert layout.metrics("sampler") == undisturbed


def test_the_judge_is_gone_for_a_while(layout: Layout, undisturbed) -> None:
    process = layout.train("judge")
    layout.until_step("judge", 1, process)
    judge = layout.server("judge")
    layout.servers.stop(judge)
    wait(lambda: "waiting for the judge at" in layout.log("judge").read_text(), process)
    time.sleep(10)
    assert process.poll() is None
    layout.servers.start(judge)
    layout.finish(process, "judge")
    assert layout.metrics("judge") == undisturbed


def test_one_rank_is_killed(layout: Layout, undisturbed) -> None:
    process = layout.train("rank")
    layout.until_step("rank", 1, process)
    (pid,) = [pid for pid in descendants(process.pid) if rank_of(pid) == "1"]
    os.kill(pid, signal.SIGKILL)
    assert process.wait(300) != 0, "the others must not outlive it"
    layout.go_on("rank")
    assert layout.metrics("rank") == undisturbed


def test_the_whole_job_is_killed(layout: Layout, undisturbed) -> None:
    process = layout.train("job")
    layout.until_step("job", 3, process)
    for pid in [process.pid, *descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    layout.go_on("job")
    assert layout.metrics("job") == undisturbed
    assert json.loads((layout.folder / "job/student/manifest.json").read_text())["status"] == "complete"
