"""`rilctl rehearse`: the verbs of a recipe's rehearsal as commands of their own, beside its servers."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rilctl.artifacts.layout import METRICS, write_atomic
from rilctl.artifacts.locks import Waiting
from rilctl.config.recipe import Recipe, Verb
from rilctl.engines.child import as_child
from rilctl.errors import InterruptedByUser, RilctlError
from rilctl.pipeline.jobs import Job, JobSettings, check_stop, run_jobs
from rilctl.pipeline.rehearsal.derive import Rehearsal, derive
from rilctl.pipeline.rehearsal.engines import Machine
from rilctl.pipeline.rehearsal.folder import REPORT, own_folder
from rilctl.pipeline.rehearsal.report import RehearsalReport, VerbRow
from rilctl.pipeline.rehearsal.servers import Servers, opened_servers
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import Reporter
from rilctl.stages.shared.context import StopFlag

_MAX_RANKS = 6
_CHECK_VLLM = "from vllm.platforms import current_platform as p; raise SystemExit(not p.is_cpu())"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "DS_ACCELERATOR": "cpu",
}
"""Of every process: no GPU, no hub, one thread each."""


def rehearse(
    recipe: Recipe,
    name: str,
    folder: Path,
    *,
    base_dir: Path,
    gpus: int | None,
    reporter: Reporter,
    stop: StopFlag,
    resume_command: str,
) -> RehearsalReport:
    """Run every verb of a recipe small, twice.

    Args:
        recipe: what is to be rehearsed.
        name: names its folder under the workspace root.
        folder: of the rehearsal; one of an earlier rehearsal is replaced.
        base_dir: folder that the recipe's relative paths start from.
        gpus: processes that train; None: the recipe's, or fewer.
        reporter: told of every command, and of its progress.
        stop: set when a signal asks for an end.
        resume_command: the command that begins again.

    Raises:
        RilctlError: a command or a server failed; logs stay in the folder.
        UsageError: the folder holds something else, or DeepSpeed isn't installed.
        LockedError: another rehearsal runs in the folder.
        InterruptedByUser: `stop` was set.
    """
    with own_folder(folder, Waiting(reporter.say, lambda: check_stop(stop, resume_command))):
        began = time.monotonic()
        environment = {**os.environ, **ENVIRONMENT}
        if recipe.train is not None and recipe.train.rewards.own:  # whose code may be where the recipe's paths start
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(base_dir))))
        machine = Machine(
            has_vllm=_has_vllm(environment),
            num_ranks=max(_MAX_RANKS, os.cpu_count() or 1),
            has_deepspeed=importlib.util.find_spec("deepspeed") is not None,
        )
        plan = derive(recipe, name, folder, base_dir, machine, gpus)
        write_atomic(folder / f"{name}.toml", plan.draft.toml().encode())
        settings = JobSettings(workers=1, logs=folder / "logs", cwd=folder, environment=environment)
        settings.logs.mkdir(parents=True, exist_ok=True)
        with opened_servers(folder, environment, reporter) as servers:
            walk = Walk(plan, name, settings, servers, reporter, stop, resume_command)
            reporter.begin("rehearsal", total=2 * len(plan.verbs), unit="commands")
            rows = {verb: walk.first(verb) for verb in plan.verbs}
            for verb in plan.verbs:
                rows[verb] = rows[verb].model_copy(update={"again": walk.again(verb)})
        reporter.end()
        report = RehearsalReport(
            folder=str(folder),
            seconds=round(time.monotonic() - began, 1),
            verbs=list(rows.values()),
            proven=[*_proven(plan, folder / "runs" / name), *walk.proven],
            replaced=plan.draft.replaced,
            not_proven=[*plan.draft.not_proven, "memory, speed, and what the models learn"],
        )
        write_atomic(folder / REPORT, report.model_dump_json(indent=2).encode() + b"\n")
        return report


@dataclass
class Walk:
    """The verbs, one after another, each beside the servers that it asks.

    Args:
        plan: what is done.
        name: of the recipe.
        settings: of the commands.
        servers: those that run.
        reporter: told of every command.
        stop: set when a signal asks for an end.
        resume_command: see `rehearse`.
        proven: what it showed on the way.
    """

    plan: Rehearsal
    name: str
    settings: JobSettings
    servers: Servers
    reporter: Reporter
    stop: StopFlag
    resume_command: str
    proven: list[str] = field(default_factory=list)

    def first(self, verb: Verb) -> VerbRow:
        """Do a verb's work; `train` is stopped once on the way, and goes on."""
        began = time.monotonic()
        if verb == "train":
            self._stop_once()
        result = self._run(verb, str(verb), self.stop)
        num_rows = max((output["rows"] or 0 for output in result["outputs"].values()), default=0)
        seconds = round(time.monotonic() - began, 1)
        return VerbRow(verb=verb, processes=_size(self.plan, verb), seconds=seconds, rows=num_rows, again="")

    def again(self, verb: Verb) -> str:
        """The same command once more. Raises `RilctlError` where it finds anything to do."""
        if self._run(verb, f"{verb}-again", self.stop)["status"] != "up-to-date":
            raise RilctlError(f"`{verb}` was done, and did it again", hint=f"see {self.settings.logs}")
        return "up to date"

    def _stop_once(self) -> None:
        pause, metrics = StopFlag(), self.settings.cwd / "runs" / self.name / "train" / METRICS

        def stop_after_a_step() -> None:
            if self.stop.signal_number is not None or (metrics.exists() and _last_step(metrics) >= 1):
                pause.signal_number = self.stop.signal_number or signal.SIGTERM

        try:
            self._run("train", "train-stopped", pause, stop_after_a_step)
        except InterruptedByUser:
            if self.stop.signal_number is not None:
                raise
            self.proven.append(f"train: stopped by SIGTERM after step {_last_step(metrics)}, it went on from there")

    def _run(self, verb: Verb, log: str, stop: StopFlag, watch: Callable[[], object] = lambda: None) -> dict[str, Any]:
        for server in self.plan.servers:
            if verb in server.verbs:
                self.servers.start(server)
        together = ("--gpus", str(self.plan.num_ranks)) if verb in self.plan.ranked else ()
        job = Job("rehearsal", (verb, f"{self.name}.toml", *together))

        def look() -> None:
            self.servers.check()
            watch()

        return run_jobs(
            {log: job},
            self.settings,
            reporter=self.reporter,
            stop=stop,
            resume_command=self.resume_command,
            watch=look,
        )[log]


def _last_step(metrics: Path) -> int:
    return max((int(line["step"]) for line in read_metrics(metrics)), default=0)


def _size(plan: Rehearsal, verb: Verb) -> int:
    return plan.num_ranks if verb in plan.ranked else 1


def _has_vllm(environment: Mapping[str, str]) -> bool:
    """Whether vLLM is installed and runs on a CPU: its builds for GPUs don't."""
    if importlib.util.find_spec("vllm") is None:
        return False
    command = as_child([sys.executable, "-c", _CHECK_VLLM])
    return subprocess.run(command, env=dict(environment), capture_output=True, check=False).returncode == 0


def _proven(plan: Rehearsal, runs: Path) -> list[str]:
    """What the finished run has shown, with what was measured."""
    draft = plan.draft
    lines = [f"the recipe's tables and keys: {', '.join(plan.verbs)} ran in this order, each on what came before it"]
    if plan.ranked:
        stages = sorted({str(draft.get(f"{verb}.engine.zero_stage")) for verb in plan.ranked})
        lines.append(
            f"{plan.num_ranks} processes started by `--gpus {plan.num_ranks}` trained together in "
            f"{', '.join(plan.ranked)} (ZeRO stage {', '.join(stages)}), with uneven shares of a step"
        )
    for server in plan.servers:
        what = {"vllm": "vLLM's own server with the options of docs/vllm.md"}.get(server.kind, "a server")
        lines.append(f"{server.name}: {what} on port {server.port} was asked by {', '.join(server.verbs)}")
    proofs = [line for line in read_metrics(runs / "train/metrics.jsonl") if "sync/num_tensors" in line]
    if proofs:
        error = max(line["sync/logprob_error"] for line in proofs)
        lines.append(
            f"{len(proofs)} weight updates reached the sampler and were proven there "
            f"(log-probabilities within {error:.1g})"
        )
    lines.append("the same commands again: all up to date, nothing asked twice")
    return lines
