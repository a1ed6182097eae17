"""Two runs beside one another: recipe, inputs, metrics, answers, speed, contents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rilctl.algorithms.statistics import paired_difference
from rilctl.artifacts.runs import open_run
from rilctl.errors import ArtifactError, UsageError
from rilctl.reporting.metrics import MetricsLog
from rilctl.schemas.difference import Difference
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import EvaluationRecord, RolloutRecord, VerdictRecord
from rilctl.testing.records import rollout_row
from rilctl.views.difference.between import difference_between
from rilctl.views.difference.words import lines_of

SEMANTIC = {"train": {"seed": 0, "optim": {"lr": 1e-4}}, "student": {"model": "small"}}
DATA = InputEntry(role="data", kind="data", name="digits", digest="d" * 64)


def rollout(step: int, question: str, reward: float | None, *, text: str = "3", side: str = "student") -> RolloutRecord:
    fields = {"source": side, "side": side, "text": text, "answer_reward": reward}
    return rollout_row(step, question, image_digests=["a" * 64], **fields)


def write_run(
    out: Path,
    rows: Sequence[RolloutRecord] = (),
    *,
    losses: Sequence[float] = (1.0, 0.5),
    seconds: float = 2.0,
    lr: float = 1e-4,
    workers: int = 0,
    inputs: Sequence[InputEntry] = (DATA,),
    finished: bool = True,
) -> Path:
    semantic = {**SEMANTIC, "train": {"seed": 0, "optim": {"lr": lr}}}
    config = {**semantic, "train": {**semantic["train"], "workers": workers}, "sft": {"num_steps": workers}}
    arguments: dict[str, Any] = {"verb": "train", "config": config, "semantic": semantic, "inputs": [*inputs]}
    with open_run(out, **arguments, roles={"rollouts": "rollouts"}) as run:
        log = MetricsLog(run.path)
        for step, loss in enumerate(losses, start=1):
            log.write(step, {"policy/loss": loss, "policy/lr": lr}, {"rollouts_s": seconds, "policy_update_s": 1.0})
        if finished:
            writer = run.writer("rollouts", "rollouts")
            writer.write_rows(rows)
            writer.commit()
    return out


def write_rows(out: Path, kind: str, rows: Sequence[Any], metrics: Mapping[str, float]) -> Path:
    with open_run(out, verb="eval", config={}, semantic={}, inputs=[], roles={kind: kind}) as run:  # type: ignore[dict-item]
        writer = run.writer(kind)  # type: ignore[arg-type]
        writer.write_rows(rows)
        writer.commit(metrics=metrics)
    return out


def test_equal_runs(tmp_path):
    a, b = (write_run(tmp_path / name, [rollout(1, "q", 1.0)]) for name in "ab")
    found = difference_between(a, b)
    assert found.same and not found.recipe and not found.problems
    assert [(each.role, each.same) for each in found.inputs] == [("data", True)]
    assert all(each.difference == 0 and each.first_step is None for each in found.metrics)
    assert [(each.num_questions, each.num_gained, each.num_lost) for each in found.answers] == [(1, 0, 0)]
    assert Difference.model_validate_json(found.model_dump_json()) == found


def test_what_differs(tmp_path):
    other = DATA.model_copy(update={"digest": "e" * 64})
    a = write_run(tmp_path / "a", losses=(1.0, 0.5, 0.25))
    b = write_run(tmp_path / "b", losses=(1.0, 0.75), lr=2e-4, workers=3, seconds=4.0, inputs=(other,))
    found = difference_between(a, b)
    assert [(each.key, each.a, each.b, each.effect) for each in found.recipe] == [
        ("train.optim.lr", 1e-4, 2e-4, "semantic"),
        ("train.workers", 0, 3, "execution"),
        ("sft.num_steps", 0, 3, "elsewhere"),
    ]
    assert found.inputs[0].a == ["digits (dddddddddddd)"] and not found.inputs[0].same
    loss = next(each for each in found.metrics if each.metric == "policy/loss")
    assert (loss.step, loss.a, loss.b, loss.difference, loss.first_step) == (2, 0.5, 0.75, 0.25, 2)
    assert (loss.mean_difference, loss.points) == (0.125, [(1, 1.0, 1.0), (2, 0.5, 0.75)])
    assert [(each.phase, each.a_s, each.b_s) for each in found.speed] == [
        ("step", 3.0, 5.0),
        ("rollouts", 2.0, 4.0),
        ("policy update", 1.0, 1.0),
    ]
    text = "\n".join(lines_of(found))
    for part in ("3 keys differ", "semantic   train.optim.lr", "inputs: 0 of 1 equal", "+0.25", "b / a", "1.67"):
        assert part in text, part


def test_what_they_were_made_with(tmp_path, monkeypatch):
    a = write_run(tmp_path / "a")
    monkeypatch.setattr("rilctl.artifacts.writer.hardware", lambda: {"processor": "another", "device": "cpu"})
    b = write_run(tmp_path / "b")
    found = difference_between(a, b)
    assert found.b.hardware == {"processor": "another", "device": "cpu"} and found.a.versions == found.b.versions
    text = "\n".join(lines_of(found))
    assert text.index("made with") < text.index("another") and "python" not in text
    assert "made with" not in "\n".join(lines_of(difference_between(a, a)))


def test_rollouts_of_the_last_step_that_both_asked_in(tmp_path):
    rows_a = [
        rollout(1, "q", 0.0),
        rollout(2, "q", 1.0),
        rollout(2, "q", 1.0),
        rollout(2, "q", 0.0),
        rollout(3, "q", 0.0),
    ]
    rows_a += [rollout(2, "teacher", 1.0, side="teacher"), rollout(2, "r", 0.0, text="four"), rollout(2, "s", None)]
    rows_b = [rollout(1, "q", 1.0), rollout(2, "q", 0.0, text="2"), rollout(2, "r", 1.0), rollout(2, "s", 1.0)]
    a, b = write_run(tmp_path / "a", rows_a), write_run(tmp_path / "b", rows_b)
    (answers,) = difference_between(a, b).answers
    assert (answers.basis, answers.num_questions, answers.num_gained, answers.num_lost) == ("rollouts", 2, 1, 1)
    lost, gained = answers.flips
    assert (lost.sample_id, lost.way, lost.before.verdict, lost.after.text) == (
        "q",
        "lost",
        "step 2: 2 of 3 judged right",
        "2",
    )
    assert (gained.sample_id, gained.before.text, gained.image_digests) == ("r", "four", ["a" * 64])


def test_evaluations_by_benchmark_with_their_interval(tmp_path):
    def answered(scores: Mapping[str, float]) -> list[EvaluationRecord]:
        rows = [
            EvaluationRecord(
                benchmark=name[0], sample_id=name, question="?", answer="3", text=f"{score:g}", score=score
            )
            for name, score in scores.items()
        ]
        return [*rows, rows[0].model_copy(update={"picture": "swapped", "score": 0.0})]

    a = write_rows(
        tmp_path / "a", "evaluation", answered({"x1": 1, "x2": 1, "x3": 0, "x4": 0.4, "y1": 1}), {"score": 50.0}
    )
    b = write_rows(
        tmp_path / "b", "evaluation", answered({"x1": 1, "x2": 0, "x3": 1, "x4": 0.6, "z1": 1}), {"score": 75.0}
    )
    found = difference_between(a, b)
    (answers,) = found.answers
    expected = paired_difference([True, False, True, True], [True, True, False, False])
    assert (answers.group, answers.num_questions, answers.accuracy_a, answers.accuracy_b) == ("x", 4, 0.5, 0.75)
    assert (answers.difference, answers.low, answers.high) == tuple(expected)
    assert [(flip.sample_id, flip.way) for flip in answers.flips] == [
        ("x2", "lost"),
        ("x3", "gained"),
        ("x4", "gained"),
    ]
    assert [(each.metric, each.step, each.difference) for each in found.metrics] == [("score", None, 25.0)]
    text = "\n".join(lines_of(found))
    assert "2 became right, 1 became wrong" in text and "step" not in text


def test_verdicts_of_two_judges(tmp_path):
    def judged(*said: bool | None) -> list[VerdictRecord]:
        return [
            VerdictRecord(
                response_digest=f"{at}",
                sample_id=f"q{at}",
                source="qwen",
                response_index=0,
                correct=correct,
                reason="r",
            )
            for at, correct in enumerate(said)
        ]

    a = write_rows(tmp_path / "a", "verdicts", judged(True, True, None, False), {})
    b = write_rows(tmp_path / "b", "verdicts", judged(True, False, True, False), {})
    (answers,) = difference_between(a, b).answers
    assert (answers.basis, answers.num_questions, answers.num_lost, answers.num_gained) == ("verdicts", 3, 1, 0)


def test_two_artifacts_of_one_run_and_a_run_without_any(tmp_path):
    a = write_run(tmp_path / "a", [rollout(1, "q", 1.0)])
    found = difference_between(a / "rollouts", a / "rollouts")
    assert [(each.role, each.same) for each in found.contents] == [("rollouts", True)]
    b = write_run(tmp_path / "b", finished=False)
    found = difference_between(a, b)
    assert (found.same, found.b.state) == (False, "stopped")
    assert [(each.role, each.b, each.same) for each in found.contents] == [("rollouts", None, False)]
    found = difference_between(b, b)
    assert not found.same and not found.contents  # nothing was made that could be equal
    assert lines_of(found)


def test_what_is_damaged_is_said_and_hides_nothing_else(tmp_path):
    a, b = (write_run(tmp_path / name, [rollout(1, "q", 1.0)]) for name in "ab")
    shard = next((b / "rollouts").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    found = difference_between(a, b)
    assert len(found.problems) == 1 and f"`{shard}`" in found.problems[0]
    assert found.metrics and not found.answers


def test_what_is_no_run_and_what_is_several(tmp_path):
    a, b = (write_run(tmp_path / "runs" / name) for name in "ab")
    with pytest.raises(UsageError, match="holds 2 runs") as caught:
        difference_between(a, tmp_path / "runs")
    assert caught.value.hint == f"name one of them: `{a}`, `{b}`"
    with pytest.raises(ArtifactError, match="doesn't exist"):
        difference_between(a, tmp_path / "nowhere")
