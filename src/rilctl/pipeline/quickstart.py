"""`rilctl quickstart`: the pocket world through all six verbs, RIL beside its baselines.

Every number comes from a `rilctl` command that a person can type: the recipe `quickstart.toml` as it stands for RIL,
and the same recipe with a few `--set` for each of the other arms. Small models gain nothing from a second thread, so
two commands run at the same time where there are two cores.
"""

import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from rilctl.algorithms.statistics import wilson_interval
from rilctl.artifacts.layout import METRICS, write_atomic
from rilctl.artifacts.locks import Waiting, writer_lock
from rilctl.artifacts.read import check_log, read_rows
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe, Verb
from rilctl.config.shipped import recipes_dir
from rilctl.errors import ConfigError
from rilctl.pipeline.jobs import Job, JobSettings, check_stop, run_jobs
from rilctl.reporting.plots import plot_accuracy, plot_training
from rilctl.reporting.progress import Reporter
from rilctl.reporting.tables import AccuracyRow, Arm, markdown_table
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.shared.context import StopFlag

NAME = "quickstart"
"""Of the recipe, and so of its folder under the workspace root."""
Sets = Mapping[str, str]
"""`--set key=value`."""
RIL: Sets = {"train.verdicts": "{judge:verdicts}"}
"""The recipe as it stands; the judge has seen the teachers' answers already."""
DR_GRPO: Sets = {"train.algorithm.name": "dr_grpo", "train.num_student_rows": "8", "train.optim.lr": "1e-4"}
"""RIL without teachers: rollouts in the place of their rows, and the learning rate that suits it."""
SFT_TEACHER: Sets = {
    "sft.responses": "teacher-cache",
    "sft.teacher_cache": "{cache-teacher:teacher-cache}",
    "sft.match_tokens": "{ril:rollouts}",
    "sft.optim.lr": "1e-3",
}
"""Distillation by fine-tuning, on as many response tokens as RIL's policy learned from, at the rate that suits it."""
SEEDED = ("data.seed", "cache-teacher.seed", "sft.seed", "pretrain-disc.seed", "train.seed")
"""Everything random in the quickstart but the held-out questions, which stay the same."""
TRAINED = {"dr_grpo": "dr_grpo", "ril": "train"}
"""Arms that `train` makes, and their folders."""


class QuickstartReport(StrictModel):
    """What `rilctl quickstart --json` says."""

    seconds: float
    """How long this run took; what was up to date took no time."""
    rows: list[AccuracyRow]
    """Accuracy of each arm on the held-out questions."""
    artifacts: dict[str, ArtifactSummary | str]
    """`job/role` -> what each command made; the paths of the pictures and of the report."""


def run_quickstart(
    *, root: Path, reporter: Reporter, stop: StopFlag, seed: int = 0, base_dir: Path | None = None
) -> QuickstartReport:
    """Run everything that isn't up to date, and write the report.

    Args:
        root: workspace root; everything goes to `<root>/quickstart`.
        reporter: told of every command, and of its progress.
        stop: set when a signal asks for a clean end.
        seed: of the training questions, of sampling and of the order of rows.
        base_dir: where the commands run; None: the current directory.

    Raises:
        RilctlError: a command failed.
        LockedError: another quickstart runs in this folder.
        InterruptedByUser: `stop` was set; the same command goes on from here.
    """
    began = time.monotonic()
    cwd = (base_dir or Path.cwd()).resolve()
    folder = root.resolve() / NAME
    folder.mkdir(parents=True, exist_ok=True)
    own_recipe = _own_recipe(folder, reporter)
    recipe = load_recipe([own_recipe])
    settings = JobSettings(
        workers=min(2, _num_cores()),
        logs=folder / "logs",
        cwd=cwd,
        environment={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    shown = folder.relative_to(cwd) if folder.is_relative_to(cwd) else folder
    resume_command = shlex.join(
        [
            *("rilctl", "quickstart"),
            *(() if _is_usual(shown, recipe) else ("--out", str(shown.parent))),
            *(() if seed == 0 else ("--seed", str(seed))),
        ]
    )
    jobs = quickstart_jobs(recipe, shown, seed)
    with writer_lock(folder, Waiting(reporter.say, lambda: check_stop(stop, resume_command))):
        reporter.begin(NAME, total=len(jobs), unit="commands")
        results = run_jobs(jobs, settings, reporter=reporter, stop=stop, resume_command=resume_command)
        reporter.end()
        return _write_report(folder, results, began)


def quickstart_jobs(recipe: Recipe, folder: Path, seed: int = 0) -> dict[str, Job]:
    """All commands by name; those on the way to RIL's result come first.

    Args:
        recipe: the quickstart's recipe.
        folder: `<root>/quickstart`, as the commands name it.
        seed: see `run_quickstart`.

    Raises:
        ConfigError: somebody took out a table that is needed.
    """
    if recipe.student is None:
        raise ConfigError(f"{folder / NAME}.toml has no [student] table", hint="delete the file")
    everywhere = {} if _is_usual(folder, recipe) else {"workspace.root": str(folder.parent)}
    if seed != 0:
        everywhere |= dict.fromkeys(SEEDED, str(seed))

    def job(about: str, verb: Verb, *needs: str, sets: Sets | None = None, out: str | None = None) -> Job:
        overrides = [f"--set={key}={value}" for key, value in {**everywhere, **(sets or {})}.items()]
        place = [] if out is None else ["--out", str(folder / out)]
        return Job(about, (verb, str(folder / f"{NAME}.toml"), *overrides, *place), needs)

    jobs = {
        "cache-teacher": job("ask both teachers", "cache-teacher"),
        "dr_grpo": job("train with the answer reward alone", "train", sets=DR_GRPO, out="dr_grpo"),
        "pretrain-disc": job("learn to tell student from teacher", "pretrain-disc", "cache-teacher"),
        "judge": job("see which of the teachers' answers are right", "judge", "cache-teacher"),
        "ril": job("train with both rewards", "train", "pretrain-disc", sets=RIL),
        "sft": job("fine-tune on the ground truth", "sft"),
        "sft_teacher": job(
            "fine-tune on the teachers' answers, as many tokens as RIL had", "sft", sets=SFT_TEACHER, out="sft_teacher"
        ),
    }
    for arm in get_args(Arm):
        student = f"{{{arm}:student}}" if arm in jobs else recipe.student.model
        jobs[f"eval-{arm}"] = job(f"measure {arm}", "eval", sets={"eval.student": student}, out=f"eval-{arm}")
    return jobs


def _own_recipe(folder: Path, reporter: Reporter) -> Path:
    """The recipe in the quickstart's own folder, a copy of the shipped one: to be read, changed and run again."""
    own, shipped = folder / f"{NAME}.toml", recipes_dir() / f"{NAME}.toml"
    if not own.exists():
        write_atomic(own, shipped.read_bytes())
    elif own.read_bytes() != shipped.read_bytes():
        reporter.warn(f"{own} differs from the recipe that ships with rilctl; it is used as it is")
    return own


def _write_report(folder: Path, results: Mapping[str, Mapping[str, Any]], began: float) -> QuickstartReport:
    artifacts: dict[str, ArtifactSummary | str] = {
        f"{name}/{role}": ArtifactSummary.model_validate(summary)
        for name, result in results.items()
        for role, summary in result["outputs"].items()
    }
    rows = [accuracy_row(arm, Path(results[f"eval-{arm}"]["outputs"]["evaluation"]["path"])) for arm in get_args(Arm)]
    pictures = {"training": folder / "training.png", "accuracy": folder / "accuracy.png"}
    logs = {arm: folder / name / METRICS for arm, name in TRAINED.items()}
    for log in logs.values():
        check_log(log)
    plot_training(logs, pictures["training"])
    plot_accuracy(rows, pictures["accuracy"])
    write_atomic(folder / "report.md", _markdown(rows).encode())
    artifacts |= {name: str(path) for name, path in {**pictures, "report": folder / "report.md"}.items()}
    report = QuickstartReport(seconds=round(time.monotonic() - began, 1), rows=rows, artifacts=artifacts)
    write_atomic(folder / "report.json", report.model_dump_json(indent=2).encode() + b"\n")
    return report


def accuracy_row(arm: Arm, evaluation: Path) -> AccuracyRow:
    """One arm's accuracy with Wilson's 95 % interval, from its `evaluation` artifact."""
    correct = [row.score == 1 for row in read_rows(evaluation, EvaluationRecord)]
    share, low, high = wilson_interval(sum(correct), len(correct))
    return AccuracyRow(name=arm, accuracy=share, low=low, high=high, questions=len(correct))


def _markdown(rows: list[AccuracyRow]) -> str:
    return (
        f"# Quickstart\n\n{markdown_table(rows)}\n"
        "![accuracy of each arm](accuracy.png)\n\n![rewards and accuracy against the step](training.png)\n"
    )


def _is_usual(folder: Path, recipe: Recipe) -> bool:
    """Whether the recipe's commands would use this folder without being told."""
    return folder == Path(recipe.workspace.root) / NAME


def _num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
