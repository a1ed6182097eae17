"""A whole comparison, its commands run in this process, twice; then what is said beforehand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rilctl import api
from rilctl.artifacts.locks import writer_lock
from rilctl.artifacts.read import read_rows
from rilctl.cli.runner import result_object
from rilctl.errors import InterruptedByUser
from rilctl.pipeline.comparison import run as comparison_run
from rilctl.pipeline.comparison.dry_run import plan_comparison
from rilctl.pipeline.comparison.run import run_comparison
from rilctl.pipeline.comparison.setup import Comparison, make_comparison
from rilctl.pipeline.comparison.workers import job_settings
from rilctl.pipeline.jobs import Job, JobSettings
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StopFlag
from rilctl.testing.workspaces import write_workspace

ARMS = ("base", "sft-teachers", "ril")
SETS = ("train.num_steps=8", "sft.num_steps=2", "pretrain-disc.num_steps=2", "train.validate_every=4")


class InThisProcess:
    """Stands for `run_jobs`, which starts a process for each command."""

    def __init__(self) -> None:
        self.up_to_date: list[bool] = []

    def __call__(self, jobs: Mapping[str, Job], settings: JobSettings, **_: object) -> dict[str, dict[str, Any]]:
        results: dict[str, dict[str, Any]] = {}
        for name, job in jobs.items():
            verb, *words = job.with_paths(results, settings.cwd).arguments
            files = [settings.cwd / word for word in words if word.endswith(".toml") and not word.startswith("--")]
            sets = [word.removeprefix("--set=") for word in words if word.startswith("--set=")]
            recipe = api.load_recipe(*files, overrides=sets, base_dir=settings.cwd)
            done = api.run_stage(recipe, verb, out=words[words.index("--out") + 1])  # type: ignore[arg-type]
            results[name] = result_object(verb, done)
            self.up_to_date.append(done.up_to_date)
        return results


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    recipe = write_workspace(folder)
    recipe.write_text(recipe.read_text().replace("[eval]\nlimit = 8\n", ""))
    return folder


def compared(workspace: Path, **options: int) -> Comparison:
    return make_comparison(
        [workspace / "recipe.toml"],
        SETS,
        arms=ARMS,
        pilot=12,
        cwd=workspace,
        **options,  # type: ignore[arg-type]
    )


def run(workspace: Path, comparison: Comparison, stop: StopFlag | None = None) -> ComparisonReport:
    settings = job_settings(1, workspace / comparison.folder / "logs", workspace, {})
    return run_comparison(
        comparison, settings, reporter=SilentReporter(), stop=stop or StopFlag(), resume_command="rilctl compare"
    )


def test_a_pilot_from_the_recipe_to_the_advice(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = InThisProcess()
    monkeypatch.setattr(comparison_run, "run_jobs", jobs)
    comparison = compared(workspace)
    report = run(workspace, comparison)
    arms = {arm.name: arm for arm in report.arms}
    folder = workspace / "runs/recipe/pilot-12"
    rollouts = read_rows(folder / "ril/seed-0/train/rollouts", RolloutRecord)
    assert arms["ril"].response_tokens == sum(len(row.token_ids) for row in rollouts if row.in_policy)
    assert arms["sft-teachers"].response_tokens == pytest.approx(arms["ril"].response_tokens, rel=0.3)  # whole steps
    assert report.questions == 6 and report.pilot == 12  # a quarter of 24 is held out
    assert report.advice.startswith(("use `", "keep the student")) and len(report.paired) == 3
    assert (folder / "comparison.json").is_file() and not (workspace / "runs/recipe/train").exists()
    assert not any(jobs.up_to_date)
    for name in ("sft-teachers", "ril"):  # as many steps as the whole recipe has, so about as long
        full, measured = arms[name].full_size_seconds, arms[name].seconds
        assert full is not None and measured is not None and 0.2 * measured < full < 1.5 * measured, name
    again = run(workspace, comparison)
    assert all(jobs.up_to_date[len(jobs.up_to_date) // 2 :])
    assert again.model_copy(update={"seconds": report.seconds}) == report


def test_beforehand_it_says_what_is_left(workspace: Path) -> None:
    settings = job_settings(1, workspace / "logs", workspace, {})
    before = plan_comparison(compared(workspace), settings)
    assert before.num_jobs == before.num_finished == 9 and before.seconds == 0.0
    more = plan_comparison(compared(workspace, num_seeds=2), settings)
    assert (more.num_jobs - more.num_finished, more.response_tokens) == (5, 2 * 2 * 8 * 3 * 4 * 32)
    assert more.seconds is None and set(more.unmeasured) == {"seed1-eval-sft-teachers", "seed1-eval-ril"}
    assert more.as_object()["jobs"] == 14 and any("commands" in line for line in more.lines())


def test_one_at_a_time_and_a_stop_while_waiting(workspace: Path) -> None:
    comparison = compared(workspace)
    with writer_lock(workspace / comparison.folder), pytest.raises(InterruptedByUser):
        run(workspace, comparison, StopFlag(signal_number=2))
