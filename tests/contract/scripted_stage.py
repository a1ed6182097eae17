"""`rilctl` with a scripted stage and quickstart in place of the real ones: `python scripted_stage.py train …`.

What the stage does comes from the environment variable `SCRIPT`, so that the command line is the one under test.
"""

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

from rilctl.__main__ import main
from rilctl.errors import ArtifactError, LockedError
from rilctl.planning.plan import Fact, Plan, Section, Table
from rilctl.reporting.progress import Reporter
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.stages.shared.context import StageContext, StageResult, StopFlag
from rilctl.testing.compared import compared_arm, comparison_report

SCRIPT = os.environ["SCRIPT"]


def run(context: StageContext) -> StageResult:
    if SCRIPT == "noisy":
        print("print")
        os.write(1, b"descriptor\n")
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        import atexit

        atexit.register(print, "at exit")
    elif SCRIPT == "locked":
        raise LockedError("somebody else writes here", hint="wait")
    elif SCRIPT == "corrupt":
        raise ArtifactError("a byte changed")
    elif SCRIPT == "bug":
        raise KeyError("oops")
    elif SCRIPT == "disk full":
        raise OSError(28, "No space left on device", "rows.parquet")
    elif SCRIPT == "patient":
        context.reporter.begin("train", total=1000, unit="steps", done=10)
        for _ in range(4000):
            time.sleep(0.05)
            context.reporter.advance(metrics={"loss": 0.5})
            context.check_stop()
    elif SCRIPT == "stubborn":
        context.reporter.begin("train", total=1000, unit="steps")
        context.reporter.say("ready")
        time.sleep(200)
    elif SCRIPT == "loading":
        context.reporter.say("loading")
        time.sleep(200)
    elif SCRIPT == "signals late":
        import atexit
        import ctypes

        libc = ctypes.CDLL(None)
        libc.on_exit(libc.kill, signal.SIGTERM)  # long after Python: kill(0, SIGTERM) reaches its group
        atexit.register(os.kill, os.getpid(), signal.SIGINT)
    elif SCRIPT == "progress":
        context.reporter.begin("train", total=3, unit="steps")
        for _ in range(3):
            context.reporter.advance(metrics={"loss": 0.5})
        context.reporter.end()
        context.reporter.warn("a warning")
    summary: dict[str, float | str] = {"accuracy": 0.51234, "suite": "digits"}
    if SCRIPT == "echo":
        asked = {"source": context.recipe.judge and context.recipe.judge.source}
        asked |= {"student": context.recipe.eval and context.recipe.eval.student}
        summary = {key: value for key, value in asked.items() if value} | {"recipe": context.recipe_name}
    student = ArtifactSummary(
        kind="student", path=f"{context.out}/student", content_digest="d1", status="complete", rows=None
    )
    rollouts = ArtifactSummary(
        kind="rollouts", path=f"{context.out}/rollouts", content_digest="d2", status="complete", rows=7
    )
    return StageResult(
        outputs={"student": student, "rollouts": rollouts},
        num_rejected=2 if SCRIPT in ("rejected", "rejected before") else 0,
        up_to_date=SCRIPT in ("up to date", "rejected before"),
        summary=summary,
    )


def plan(context: StageContext) -> Plan:
    print("noise")
    facts = (
        Fact("student", "qwen3b"),
        Fact("rollout tokens", 24_576_000, "tokens", "at most"),
        Fact("wall time", None, "s"),
    )
    memory = Table("memory", "bytes", {"policy update": {"weights": 7_000_000, "total": 9_000_000}}, about="of one GPU")
    return Plan("train", (Section("work", facts), memory, Section("output", (Fact("directory", str(context.out)),))))


for verb in ("train", "eval", "judge"):
    for name, scripted in (("run", run), ("plan", plan)):
        module = types.ModuleType(f"rilctl.stages.{verb}.{name}")
        setattr(module, name, scripted)
        sys.modules[module.__name__] = module


def run_quickstart(*, root: Path, reporter: Reporter, stop: StopFlag, seed: int) -> ComparisonReport:
    print("noise")
    return comparison_report(compared_arm("ril", 0.75), report=str(root / "quickstart" / "report.html"))


quickstart = types.ModuleType("rilctl.pipeline.quickstart")
vars(quickstart).update(run_quickstart=run_quickstart)
sys.modules[quickstart.__name__] = quickstart
main()
