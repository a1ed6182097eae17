"""Validation in `train`: a judge that says nothing, or comes back late, and which student is the best."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.errors import ArtifactError, EndpointError, InterruptedByUser
from rilctl.reporting.metrics import MetricsLog, read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageResult, StopFlag
from rilctl.stages.train.kept import BestStudent
from rilctl.stages.train.verdicts import JudgeAsker
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

ALONE = ("train.algorithm.name=dr_grpo", "train.student=student", "train.num_steps=2", "train.validate_every=1")
Judge = Callable[[Sequence[JudgeRequest]], list[Verdict]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory)
    return directory


def in_validation(patch: pytest.MonkeyPatch, judge: Judge) -> None:
    """Another judge of validations; a step asks in a thread of its own."""
    usual = RuleJudge.verdicts

    def either(self: RuleJudge, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return usual(self, requests) if threading.current_thread().name == "judge" else judge(requests)

    patch.setattr(RuleJudge, "verdicts", either)


def say(right: Sequence[bool | None]) -> list[Verdict]:
    return [Verdict(correct, None, "scripted") for correct in right]


def test_a_run_whose_validations_have_no_verdict_ends_without_a_best_student(workspace, tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: warnings.append(text))
    in_validation(monkeypatch, lambda requests: say([None] * len(requests)))
    result = run_stage(workspace, "train", *ALONE, out=tmp_path / "out")
    assert list(result.outputs) == ["student", "rollouts"]
    assert not (tmp_path / "out/best-student").exists() and not (tmp_path / "out/resume").exists()
    assert sum("no best-student" in text for text in warnings) == 1
    assert sum("4 of 4 answers have no verdict" in text for text in warnings) == 3
    assert all("validation/accuracy" not in row for row in read_metrics(tmp_path / "out/metrics.jsonl"))
    again = run_stage(workspace, "train", *ALONE, out=tmp_path / "out")
    assert again.up_to_date and again.outputs == result.outputs


def test_a_student_that_gets_worse_is_said_and_patience_ends_the_run(workspace, tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: warnings.append(text))
    verdicts = iter([True, False, False, False, False, False])
    in_validation(monkeypatch, lambda requests: say([next(verdicts)] * len(requests)))
    longer = (*ALONE, "train.num_steps=5", "train.patience=2")
    result = run_stage(workspace, "train", *longer, out=tmp_path / "out")
    rows = read_metrics(tmp_path / "out/metrics.jsonl")
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert [row["validation/accuracy"] for row in rows] == [1.0, 0.0, 0.0]
    assert sum("the student gets worse" in text for text in warnings) == 2
    assert sum("ended after step 2 of 5" in text for text in warnings) == 1
    assert sum("the last student is worse than the one after step 0" in text for text in warnings) == 1
    assert read_manifest(Path(result.outputs["best-student"].path)).metrics["step"] == 0
    assert run_stage(workspace, "train", *longer, out=tmp_path / "out").up_to_date


def test_a_run_that_learns_nothing_says_so_after_ten_steps_and_in_the_end(workspace, tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(SilentReporter, "warn", lambda _, text: warnings.append(text))
    monkeypatch.setattr(RuleJudge, "verdicts", lambda _, requests: say([False] * len(requests)))
    run_stage(workspace, "train", *ALONE, "train.num_steps=12", "train.validate_every=12", out=tmp_path / "out")
    assert [text.split(":")[0] for text in warnings if "had a signal" in text] == [
        "no group had a signal in the last 10 steps",
        "no group of any step had a signal",
    ]


def test_one_lucky_verdict_makes_no_best_student(workspace, tmp_path, monkeypatch):
    num_validations = 0

    def judge(requests: Sequence[JudgeRequest]) -> list[Verdict]:
        nonlocal num_validations
        num_validations += 1
        if num_validations == 2:
            return say([True, *[None] * (len(requests) - 1)])
        return say([index % 2 == 0 for index in range(len(requests))])

    in_validation(monkeypatch, judge)
    result = run_stage(workspace, "train", *ALONE, out=tmp_path / "out")
    rows = read_metrics(tmp_path / "out/metrics.jsonl")
    assert [row["validation/missing_share"] for row in rows] == [0.0, 0.75, 0.0]
    assert [row.get("validation/accuracy") for row in rows] == [0.5, None, 0.5]
    assert metrics_of(result)["step"] == 0


def test_validation_waits_for_the_judge_as_a_step_does(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(JudgeAsker, "pause_s", 0.01)
    asked: list[int] = []

    def judge(requests: Sequence[JudgeRequest]) -> list[Verdict]:
        asked.append(len(requests))
        if len(asked) == 1:
            raise EndpointError("the endpoint is down")
        if len(asked) == 2:
            return say([True, *[None] * (len(requests) - 1)])
        return say([False] * len(requests))

    in_validation(monkeypatch, judge)
    waits = ("train.missing_verdicts=wait", "train.num_steps=1")
    run_stage(workspace, "train", *ALONE, *waits, out=tmp_path / "out")
    assert asked == [4, 4, 3, 4]
    assert read_metrics(tmp_path / "out/metrics.jsonl")[0]["validation/accuracy"] == 0.25


def test_a_judge_that_is_down_in_a_validation_ends_a_run_that_doesn_t_wait(workspace, tmp_path, monkeypatch):
    def judge(requests: Sequence[JudgeRequest]) -> list[Verdict]:
        raise EndpointError("the endpoint is down")

    in_validation(monkeypatch, judge)
    with pytest.raises(EndpointError):
        run_stage(workspace, "train", *ALONE, out=tmp_path / "out")


def test_ctrl_c_ends_a_validation_that_waits(workspace, tmp_path, monkeypatch):
    stop = StopFlag()

    def judge(requests: Sequence[JudgeRequest]) -> list[Verdict]:
        stop.signal_number = 2
        raise EndpointError("the endpoint is down")

    in_validation(monkeypatch, judge)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "train", *ALONE, "train.missing_verdicts=wait", out=tmp_path / "out", stop=stop)


def test_a_resumed_run_forgets_a_best_student_that_its_checkpoint_doesn_t_know(workspace, tmp_path, monkeypatch):
    """Judged otherwise the second time, as where another engine samples, the later student isn't the best any more."""
    accuracies = iter([0.5, 0.25, 1.0])  # of steps 0, 1 and 2, where the first process ends
    in_validation(monkeypatch, lambda requests: share_right(requests, next(accuracies)))
    sets = (*ALONE, "train.num_steps=3", "train.checkpoint_every=1", "train.questions_per_step=2")
    write = MetricsLog.write

    def killed(self: MetricsLog, step: int, *args: object) -> None:
        if step == 2:
            raise KeyboardInterrupt
        write(self, step, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            run_stage(workspace, "train", *sets, out=tmp_path / "out")
    accuracies = iter([0.25, 0.25])
    result = run_stage(workspace, "train", *sets, out=tmp_path / "out")
    assert metrics_of(result) == {"validation/accuracy": 0.5, "step": 0}
    accuracies = iter([0.5, 0.25, 0.25, 0.25])
    undisturbed = run_stage(workspace, "train", *sets, out=tmp_path / "whole")
    best, expected = (each.outputs["best-student"].content_digest for each in (result, undisturbed))
    assert best == expected


def share_right(requests: Sequence[JudgeRequest], share: float) -> list[Verdict]:
    return say([index < share * len(requests) for index in range(len(requests))])


def metrics_of(result: StageResult) -> dict[str, float]:
    return json.loads((Path(result.outputs["best-student"].path) / "manifest.json").read_text())["metrics"]


def test_a_better_student_doesn_t_replace_the_one_that_the_checkpoint_knows(tmp_path):
    best = BestStudent(tmp_path)
    best.settle(None)
    for step in (0, 3, 5):
        entries = best.keep(step, lambda path: path.mkdir())
        if step == 0:
            best.settle(0)
    assert {path.name for path in tmp_path.iterdir()} == {"best-00000000", "best-00000005"}
    again = BestStudent(tmp_path)
    again.settle(0)
    assert {path.name for path in tmp_path.iterdir()} == {"best-00000000"}
    again.check({0: entries}, hint="")
    (again.path(0) / "added").touch()
    with pytest.raises(ArtifactError, match=r"best-00000000/added` was not written"):
        again.check({0: entries}, hint="")
