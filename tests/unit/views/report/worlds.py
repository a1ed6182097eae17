"""A small pocket world on disk: a training run with rollouts of real questions, and evaluations of both its sides."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from rilctl.artifacts.runs import Run, open_run
from rilctl.config.data import DigitsData, ValidationConfig
from rilctl.config.recipe import Recipe
from rilctl.data.load import load_samples
from rilctl.data.sample import Sample
from rilctl.reporting.metrics import MetricsLog
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import EvaluationRecord, RejectedRecord, ResponseRecord, RolloutRecord

DATA = DigitsData(type="digits", num_questions=6, validation=ValidationConfig(split="validation", num_samples=4))
RECIPE = Recipe.model_validate(
    {
        "data": DATA,
        "student": {"model": "pocket-student"},
        "train": {"num_steps": 6, "questions_per_step": 2, "optim": {"lr": 1e-4}},
    }
).model_dump(mode="json", by_alias=True)
BASE = InputEntry(role="student", kind="model", name="pocket-student", digest="b" * 64)
SUITE = InputEntry(role="suite", kind="data", name="digits", digest="5" * 64)


def samples() -> list[Sample]:
    """The run's questions."""
    return list(load_samples(DATA, base_dir=Path()).samples)


def rollout(
    step: int, sample: Sample, index: int, *, right: bool, teacher: bool = False, logit: float = 1.0
) -> RolloutRecord:
    """One row; a student's similarity is what its logit says."""
    similar = float(logit < 0)
    return RolloutRecord(
        step=step,
        sample_id=sample.id,
        source="qwen" if teacher else "student",
        side="teacher" if teacher else "student",
        response_index=index,
        question=sample.question,
        answer=sample.answer,
        image_digests=[image.digest for image in sample.images],
        text=sample.answer if right else "<b>wrong</b>",
        token_ids=[1, 2, 3],
        finish_reason="stop",
        disc_logit=logit,
        similarity_reward=similar,
        answer_reward=float(right),
        reward=similar + right,
        advantage=0.5 if right else -0.5,
    )


def rollouts(num_steps: int = 6) -> list[RolloutRecord]:
    """Two questions a step in turn: question 0 gets right, question 1 wrong after its first visit."""
    asked, rows = samples(), []
    for step in range(1, num_steps + 1):
        for place in (0, 1):
            sample = asked[place if step % 2 else 2 + place]
            right = step > 1 if place == 0 else step == 1
            rows += [rollout(step, sample, at, right=right, logit=-1.0 if not right else 3.0) for at in (0, 1)]
            rows.append(rollout(step, sample, 2, right=True, teacher=True, logit=-2.0))
    return rows


def write_training(
    out: Path,
    *,
    num_steps: int = 6,
    finished: bool = True,
    accuracy: tuple[float, float] = (0.6, 0.2),
    config: dict[str, Any] = RECIPE,
) -> Path:
    """A run whose held-out accuracy goes from one value to another."""
    with open_run(
        out,
        verb="train",
        config=config,
        semantic={},
        inputs=[BASE, InputEntry(role="data", kind="data", name="digits:train/0", digest="d" * 64)],
        roles={"student": "student", "rollouts": "rollouts"},
    ) as run:
        log = MetricsLog(run.path)
        log.write(0, _validation(accuracy[0]))
        for step in range(1, num_steps + 1):
            measured = {"reward/answer_student": step / 10, "policy/entropy": 0.5, "reward/wordy_student": 0.1}
            log.write(step, measured | (_validation(accuracy[1]) if step == num_steps else {}), {"rollouts_s": 0.5})
        if finished:
            _finish(run, num_steps)
        else:
            lines = "".join(f"{row.model_dump_json()}\n" for row in rollouts(num_steps))
            (run.resume_dir / "rollouts.jsonl").write_text(lines + '{"step": 7, "sample')
    return out


def write_evaluation(out: Path, student: InputEntry, right: set[int]) -> Path:
    """`eval` of a student that has these of four questions right."""
    config = RECIPE | {"eval": {"suite": "digits"}}
    asked = load_samples(DATA.model_copy(update={"split": "test", "num_questions": 1000}), base_dir=Path()).samples[:4]
    with open_run(
        out,
        verb="eval",
        config=config,
        semantic={"name": str(out)},
        inputs=[student, SUITE],
        roles={"evaluation": "evaluation", "responses": "responses"},
    ) as run:
        writer = run.writer("responses", "responses")
        writer.write_rows([_response(sample) for sample in asked])
        writer.commit()
        writer = run.writer("evaluation", "evaluation")
        writer.write_rows([_score(sample, float(at in right)) for at, sample in enumerate(asked)])
        mean = 25.0 * len(right)
        writer.commit(
            metrics={
                "Digits/num_questions": 4.0,
                "Digits/num_rejected": 0.0,
                "Digits/score": mean,
                "Digits/score_low": mean - 5,
                "Digits/score_high": mean + 5,
                "Digits/guessed_share": 0.0,
                "score": mean,
            }
        )
    return out


def student_of(run: Path) -> InputEntry:
    """The student that a run made, as what reads it names it."""
    from rilctl.artifacts.read import input_entry

    return input_entry("student", run / "student")


def _validation(accuracy: float) -> dict[str, float]:
    ends = {"validation/low": accuracy - 0.05, "validation/high": accuracy + 0.05}
    return {"validation/accuracy": accuracy, **ends}


def _finish(run: Run, num_steps: int) -> None:
    writer = run.writer("rollouts", "rollouts")
    writer.write_rows(rollouts(num_steps))
    writer.write_rejected([RejectedRecord(sample_id="q9", source="digits", reason="image-truncated", message="cut")])
    writer.commit()
    writer = run.writer("student", "student")
    save_file({"weight": np.zeros((3, 4), dtype=np.float32)}, writer.staging() / "model.safetensors")
    writer.commit()


def _response(sample: Sample) -> ResponseRecord:
    return ResponseRecord(
        sample_id=sample.id,
        source="student",
        side="student",
        response_index=0,
        question=sample.question,
        answer=sample.answer,
        image_digests=[image.digest for image in sample.images],
        text="1",
        finish_reason="stop",
    )


def _score(sample: Sample, score: float) -> EvaluationRecord:
    return EvaluationRecord(
        benchmark="digits",
        sample_id=sample.id,
        question=sample.question,
        answer=sample.answer,
        text=f"{score}",
        score=score,
    )
