"""The quickstart: a comparison with a recipe and arms of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rilctl.artifacts.runs import open_run
from rilctl.config.arms import read_arms
from rilctl.config.recipe import VERBS
from rilctl.config.shipped import recipes_dir
from rilctl.pipeline import quickstart
from rilctl.pipeline.comparison import run as comparison_run
from rilctl.pipeline.comparison.jobs import Planned, plan_jobs
from rilctl.pipeline.jobs import Job, JobSettings
from rilctl.reporting.metrics import MetricsLog
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.comparison import ComparisonReport
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.shared.context import StopFlag

RECIPE = recipes_dir() / "quickstart.toml"


def _planned(tmp_path: Path, root: str = "runs") -> Planned:
    folder = tmp_path / root / "quickstart"
    for name in ("quickstart", *quickstart.TUNED):
        quickstart._own_copy(folder, name, SilentReporter())
    return plan_jobs(quickstart.quickstart_comparison(folder, Path(root), tmp_path))


def test_all_verbs_are_run_and_no_arm_waits_that_need_not(tmp_path: Path) -> None:
    planned = _planned(tmp_path)
    assert {job.arguments[0] for job in planned.jobs.values()} == set(VERBS)
    for arm in ("sft-data", "dr-grpo"):
        assert not planned.jobs[f"{'sft' if arm == 'sft-data' else 'train'}-{arm}"].all_needs
    assert planned.jobs["train-answer-teachers"].all_needs == {"cache-teacher", "judge"}
    assert "train-ril" in planned.jobs["sft-sft-right"].all_needs  # for its tokens
    first = planned.jobs["train-ril"].arguments[1]
    assert first == "runs/quickstart/quickstart.toml"


def test_its_own_arms_are_the_shipped_ones_but_for_rates_and_lengths() -> None:
    own = read_arms([RECIPE], [str(recipes_dir() / "quickstart" / f"{name}.toml") for name in quickstart.TUNED])
    shipped = read_arms([RECIPE], quickstart.TUNED)
    for mine, theirs in zip(own, shipped, strict=True):
        assert mine.table.verbs == theirs.table.verbs
        for verb in ("sft", "train"):
            a, b = (getattr(arm.recipe, verb).model_dump() for arm in (mine, theirs))
            differing = {key for key in a if a[key] != b[key]} - {"optim"}
            assert differing <= ({"num_teacher_rows"} if mine.name == "dr-grpo" else set()), (mine.name, differing)


def test_another_root_is_told_to_every_command(tmp_path: Path) -> None:
    for job in _planned(tmp_path, "elsewhere").jobs.values():
        assert "--set=workspace.root=elsewhere" in job.arguments


class Scripted:
    """Stands for `run_jobs`: writes what the report is made of."""

    def __init__(self) -> None:
        self.resume_command = ""
        self.settings: JobSettings | None = None

    def __call__(
        self, jobs: Mapping[str, Job], settings: JobSettings, *, resume_command: str, **_: object
    ) -> dict[str, dict[str, Any]]:
        self.resume_command, self.settings = resume_command, settings
        results = {}
        for name, job in jobs.items():
            place = settings.cwd / job.arguments[job.arguments.index("--out") + 1]
            verb = job.arguments[0]
            outputs: dict[str, Any] = {}
            if verb == "eval":
                outputs["evaluation"] = _rows(place, "eval", "evaluation", name)
            elif verb in ("cache-teacher", "judge"):
                outputs["rows"] = _rows(place, verb, "verdicts", name)
            else:
                place.mkdir(parents=True)
                learned = {"train": {"policy/num_student_tokens": 70.0, "policy/num_teacher_tokens": 30.0}}
                learned |= {"sft": {"sft/num_tokens": 90.0}, "pretrain-disc": {"disc/num_students": 8.0}}
                MetricsLog(place).write(1, learned[verb], {"update_s": 1.5})
            results[name] = {"outputs": outputs}
        return results


def _rows(place: Path, verb: Any, kind: ArtifactKind, name: str) -> dict[str, Any]:
    """An artifact of ten questions, as many of them right as the arm's place in the table."""
    num_right = quickstart.ARMS.index(name.removeprefix("eval-")) if verb == "eval" else 0
    rows = [
        EvaluationRecord(
            benchmark="digits", sample_id=str(at), question="q", answer="1", text="1", score=float(at < num_right)
        )
        for at in range(10)
    ]
    with open_run(place, verb=verb, config={}, semantic={"name": name}, inputs=[], roles={kind: kind}) as run:
        writer = run.writer(kind)
        if kind == "evaluation":
            writer.write_rows(rows)
        summary: ArtifactSummary = writer.commit()
    return summary.model_dump(mode="json")


class Warnings(SilentReporter):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)


def _run(root: Path, base_dir: Path, reporter: SilentReporter | None = None) -> ComparisonReport:
    return quickstart.run_quickstart(
        root=root, reporter=reporter or SilentReporter(), stop=StopFlag(), base_dir=base_dir
    )


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    found = Scripted()
    monkeypatch.setattr(comparison_run, "run_jobs", found)
    return found


def test_the_report_holds_table_pictures_and_artifacts(tmp_path: Path, scripted: Scripted) -> None:
    report = _run(tmp_path / "runs", tmp_path)
    assert [(arm.name, arm.accuracy) for arm in report.arms] == [
        (arm, at / 10) for at, arm in enumerate(quickstart.ARMS)
    ]
    assert report.questions == 10 and report.left_out == 0
    tokens = {arm.name: arm.response_tokens for arm in report.arms}
    assert (tokens["base"], tokens["sft-right"], tokens["ril"]) == (0, 90, 100)
    seconds = {arm.name: arm.seconds for arm in report.arms}
    assert (seconds["base"], seconds["dr-grpo"], seconds["ril"]) == (0.0, 1.5, 3.0)
    folder = tmp_path / "runs/quickstart/compare"
    written = json.loads((folder / "comparison.json").read_text())
    assert written == report.model_dump(mode="json")
    assert written["artifacts"]["eval-ril/evaluation"]["kind"] == "evaluation"
    for picture in ("training", "accuracy"):
        with Image.open(written["artifacts"][picture]) as image:
            image.verify()
    page = (folder / "comparison.md").read_text()
    assert "| 60.0 % |" in page and "`sft-data`, `dr-grpo`, `answer-teachers`, as long as the recipe says" in page
    assert written["artifacts"]["report"] == "runs/quickstart/compare/report.html"
    assert "75.0" not in (shown := (folder / "report.html").read_text()) and report.advice[:20] in shown
    assert scripted.resume_command == "rilctl quickstart"


def test_somewhere_else_the_resume_command_says_where(tmp_path: Path, scripted: Scripted) -> None:
    _run(tmp_path / "my runs", tmp_path)
    assert scripted.resume_command == "rilctl quickstart --out 'my runs'"
    assert scripted.settings is not None and scripted.settings.environment["OMP_NUM_THREADS"] == "1"


def test_a_changed_recipe_is_kept_and_named(tmp_path: Path, scripted: Scripted) -> None:
    own = tmp_path / "runs" / "quickstart" / "quickstart.toml"
    changed = RECIPE.read_text() + "\n# mine\n"
    own.parent.mkdir(parents=True)
    own.write_text(changed)
    reporter = Warnings()
    _run(tmp_path / "runs", tmp_path, reporter)
    assert own.read_text() == changed
    assert len(reporter.warned) == 1 and str(own) in reporter.warned[0]
