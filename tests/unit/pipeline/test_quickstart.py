import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rilctl.artifacts.runs import open_run
from rilctl.config.load import load_recipe
from rilctl.config.recipe import VERBS
from rilctl.config.shipped import recipes_dir
from rilctl.errors import ConfigError
from rilctl.pipeline import quickstart
from rilctl.pipeline.jobs import Job, JobSettings
from rilctl.reporting.metrics import MetricsLog
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.shared.context import StopFlag

RECIPE = recipes_dir() / "quickstart.toml"
ARMS = ["base", "sft", "sft_teacher", "dr_grpo", "ril"]


def _jobs(folder: Path) -> dict[str, Job]:
    return quickstart.quickstart_jobs(load_recipe([RECIPE]), folder)


def _sets(job: Job) -> list[str]:
    return [text.removeprefix("--set=") for text in job.arguments if text.startswith("--set=")]


def test_every_command_is_one_that_the_recipe_allows() -> None:
    jobs = _jobs(Path("runs/quickstart"))
    for job in jobs.values():
        assert load_recipe([RECIPE], _sets(job)).workspace.root == "runs"
    recipe = load_recipe([RECIPE], _sets(jobs["dr_grpo"]))
    assert recipe.train is not None and recipe.train.algorithm.name == "dr_grpo"


def test_every_job_comes_after_what_it_needs() -> None:
    jobs = _jobs(Path("runs/quickstart"))
    done: set[str] = set()
    for name, job in jobs.items():
        assert job.all_needs <= done, name
        done.add(name)
    assert {job.arguments[0] for job in jobs.values()} == set(VERBS)
    assert [name for name in jobs if name.startswith("eval-")] == [f"eval-{arm}" for arm in ARMS]


def test_no_two_jobs_write_to_one_directory() -> None:
    jobs = _jobs(Path("runs/quickstart")).values()
    places = [job.arguments[-1] if "--out" in job.arguments else job.arguments[0] for job in jobs]
    assert len(set(places)) == len(places)


def test_another_root_is_told_to_every_command() -> None:
    for job in _jobs(Path("elsewhere/quickstart")).values():
        assert "--set=workspace.root=elsewhere" in job.arguments


def test_sft_on_teacher_answers_has_ril_s_token_budget() -> None:
    jobs = _jobs(Path("runs/quickstart"))
    assert "sft.match_tokens={ril:rollouts}" in _sets(jobs["sft_teacher"])
    assert {"ril", "cache-teacher"} <= jobs["sft_teacher"].all_needs


def test_a_recipe_that_lost_a_table_is_refused() -> None:
    recipe = load_recipe([RECIPE]).model_copy(update={"student": None})
    with pytest.raises(ConfigError, match=r"no \[student\]"):
        quickstart.quickstart_jobs(recipe, Path("runs/quickstart"))


class Scripted:
    """Stands for `run_jobs`: writes what the report is made of."""

    def __init__(self) -> None:
        self.resume_command = ""
        self.settings: JobSettings | None = None

    def __call__(
        self, jobs: Mapping[str, Job], settings: JobSettings, *, resume_command: str, **_: object
    ) -> dict[str, dict[str, Any]]:
        self.resume_command, self.settings = resume_command, settings
        folder = settings.logs.parent
        for name in ("train", "dr_grpo"):
            (folder / name).mkdir(exist_ok=True)
            MetricsLog(folder / name).write(1, {"reward/answer_student": 0.5})
        return {name: _evaluation(folder, name) if name.startswith("eval-") else {"outputs": {}} for name in jobs}


def _evaluation(folder: Path, name: str) -> dict[str, Any]:
    """An `evaluation` of ten questions, as many of them right as the arm's place in the table."""
    num_right = ARMS.index(name.removeprefix("eval-"))
    rows = [
        EvaluationRecord(
            benchmark="digits", sample_id=str(at), question="q", answer="1", text="1", score=float(at < num_right)
        )
        for at in range(10)
    ]
    roles: dict[str, ArtifactKind] = {"evaluation": "evaluation"}
    with open_run(folder / name, verb="eval", config={}, semantic={"name": name}, inputs=[], roles=roles) as run:
        writer = run.writer("evaluation")
        writer.write_rows(rows)
        summary = writer.commit()
    return {"outputs": {"evaluation": summary.model_dump(mode="json")}}


class Warnings(SilentReporter):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


def test_the_report_holds_table_pictures_and_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted()
    monkeypatch.setattr(quickstart, "run_jobs", scripted)
    report = quickstart.run_quickstart(
        root=tmp_path / "runs", reporter=SilentReporter(), stop=StopFlag(), base_dir=tmp_path
    )
    assert [(row.name, row.accuracy, row.questions) for row in report.rows] == [
        (arm, at / 10, 10) for at, arm in enumerate(ARMS)
    ]
    assert all(row.low <= row.accuracy <= row.high for row in report.rows)
    folder = tmp_path / "runs" / "quickstart"
    written = json.loads((folder / "report.json").read_text())
    assert written == report.model_dump(mode="json")
    assert written["artifacts"]["eval-ril/evaluation"]["kind"] == "evaluation"
    for picture in ("training", "accuracy"):
        with Image.open(written["artifacts"][picture]) as image:
            image.verify()
    assert "| RIL | 40.0 % |" in (folder / "report.md").read_text()
    assert scripted.resume_command == "rilctl quickstart"


def test_somewhere_else_the_resume_command_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted()
    monkeypatch.setattr(quickstart, "run_jobs", scripted)
    quickstart.run_quickstart(root=tmp_path / "my runs", reporter=SilentReporter(), stop=StopFlag(), base_dir=tmp_path)
    assert scripted.resume_command == "rilctl quickstart --out 'my runs'"
    assert scripted.settings is not None and scripted.settings.environment["OMP_NUM_THREADS"] == "1"


def test_a_changed_recipe_is_kept_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quickstart, "run_jobs", Scripted())
    own = tmp_path / "runs" / "quickstart" / "quickstart.toml"
    changed = RECIPE.read_text() + "\n# mine\n"
    own.parent.mkdir(parents=True)
    own.write_text(changed)
    reporter = Warnings()
    quickstart.run_quickstart(root=tmp_path / "runs", reporter=reporter, stop=StopFlag(), base_dir=tmp_path)
    assert own.read_text() == changed
    assert len(reporter.warned) == 1 and str(own) in reporter.warned[0]
