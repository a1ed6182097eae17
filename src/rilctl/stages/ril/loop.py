"""The loop: groups, learning, validation, checkpoints, artifacts."""

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise

from rilctl.algorithms.statistics import wilson_interval
from rilctl.artifacts.runs import Run
from rilctl.config.fields import SamplingConfig
from rilctl.config.train import TrainConfig
from rilctl.data.batches import batches
from rilctl.data.sample import Sample
from rilctl.engines.generation.base import GenerationRequest, RolloutEngine
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest
from rilctl.engines.training.base import TrainingEngine
from rilctl.errors import ArtifactError, DataError, RowError
from rilctl.models.devices import pick_num_workers
from rilctl.models.prompt_cache import PromptCache
from rilctl.models.vlm import Vlm, save_vlm
from rilctl.reporting.metrics import MetricsLog
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.checkpoints import load_checkpoint, save_checkpoint
from rilctl.stages.context import StageContext
from rilctl.stages.inputs import (
    mean,
    read_responses,
    row_seed,
)
from rilctl.stages.ril.inputs import TrainInputs, prepaid_verdicts
from rilctl.stages.ril.roles import load_roles
from rilctl.stages.ril.rollout_log import RolloutLog
from rilctl.stages.ril.rows import Group, TeacherRows, rollout_records, student_row
from rilctl.stages.ril.sampled import SampledSteps
from rilctl.stages.ril.step import Learner, make_learner

SHOWN = ("reward/answer_student", "reward/similarity_student", "validation/accuracy")
"""Metrics beside the progress bar."""


class TrainState(StrictModel):
    """What a checkpoint remembers besides weights and optimizers."""

    best_step: int | None = None
    """The step of the best validation so far."""
    best_accuracy: float | None = None
    """Its accuracy."""
    rejected: list[RejectedRecord] = []
    """Questions that could not be asked."""
    metrics: dict[str, float] = {}
    """The newest value of each metric."""


@dataclass
class Loop:
    """A run under way.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        inputs: what the run is made from.
        artifact_run: where it writes.
        learner: what learns, and who judges.
        generation: rolls out the policy.
        prompts: encoded prompts of the student; the discriminator's as well where it reads alike.
        teachers: cached teacher responses as rows, where the algorithm has a discriminator.
        samples: the questions that can be asked.
        state: what a checkpoint remembers besides weights and optimizers.
    """

    context: StageContext
    config: TrainConfig
    inputs: TrainInputs
    artifact_run: Run
    learner: Learner
    generation: RolloutEngine
    sampled: SampledSteps
    prompts: PromptCache
    teachers: TeacherRows | None
    samples: Sequence[Sample]
    state: TrainState = field(default_factory=TrainState)

    @classmethod
    def build(
        cls, context: StageContext, config: TrainConfig, inputs: TrainInputs, judge: JudgeEngine, artifact_run: Run
    ) -> "Loop":
        """Load everything that a run needs."""
        roles = load_roles(context, config, inputs)
        learner = make_learner(config, roles, judge, prepaid_verdicts(context, inputs.verdicts))
        learner.check_stop = context.check_stop
        teachers, samples = _teacher_rows(context, config, inputs, roles.policy)
        num_workers = pick_num_workers(config.engine.num_workers, roles.policy.device)
        prompts = PromptCache(roles.policy, num_workers=num_workers, warn=context.reporter.warn)
        if roles.disc is not None and roles.disc.vlm.reads_like(roles.policy):
            roles.disc.prompts = prompts
        generation = open_rollouts(
            roles.policy, prompts, config.generation, context.base_dir, warn=context.reporter.warn
        )
        sampled = SampledSteps(generation, artifact_run.resume_dir)
        return cls(context, config, inputs, artifact_run, learner, generation, sampled, prompts, teachers, samples)

    @property
    def vlm(self) -> Vlm:
        """The student that is trained."""
        return self.learner.policy.policy

    @property
    def engines(self) -> dict[str, TrainingEngine]:
        """What a checkpoint holds."""
        engines = {"policy": self.learner.policy.engine}
        return engines | ({"discriminator": self.learner.disc_engine} if self.learner.disc_engine else {})

    def run(self) -> None:
        """All steps that are left."""
        with self.prompts, closing(self.generation):
            self._run()

    def _run(self) -> None:
        config, reporter, scratch = self.config, self.context.reporter, self.artifact_run.resume_dir
        log, rollouts = MetricsLog(self.artifact_run.path), RolloutLog(scratch)
        checkpoint = load_checkpoint(scratch, self.engines, TrainState)
        step = 0
        if checkpoint is not None:
            step, self.state = checkpoint
            reporter.say(f"resuming at step {step} of {config.num_steps}")
        log.truncate_to(step if checkpoint else -1)
        rollouts.truncate_to(step)
        self.sampled.forget_to(step)
        if checkpoint is None and self.inputs.validation.samples:
            log.write(0, self._validate(0))
        reporter.begin(f"train {config.algorithm.name}", total=config.num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(self.samples), config.questions_per_step, config.seed, step)):
            if step == config.num_steps:
                break
            step += 1
            clock = Clock()
            soon = [self.samples[pick] for pick in (*picks, *(upcoming if step < config.num_steps else ()))]
            self.prompts.expect((sample.question, sample.images) for sample in soon)
            groups, metrics = self._collect(step, [self.samples[pick] for pick in picks])
            clock.mark("rollout_s")
            metrics |= self.learner.learn(groups) if groups else {}  # all of the step's pictures may be bad
            clock.mark("learn_s")
            last = step == config.num_steps
            if self.inputs.validation.samples and (step % config.validate_every == 0 or last):
                metrics |= self._validate(step)
                clock.mark("validate_s")
            rollouts.append(rollout_records(step, groups))
            log.write(step, metrics, clock.seconds)
            self.state = self.state.model_copy(update={"metrics": self.state.metrics | metrics})
            reporter.advance(metrics={name: self.state.metrics[name] for name in SHOWN if name in self.state.metrics})
            if step % config.checkpoint_every == 0 or last or self.context.stop.signal_number is not None:
                save_checkpoint(scratch, step, self.engines, self.state)
                self.sampled.forget_to(step)
            self.context.check_stop()
        reporter.end()

    def _collect(self, step: int, samples: Sequence[Sample]) -> tuple[list[Group], dict[str, float]]:
        """Rollouts of the current policy and cached teacher responses for a step's questions; the engine's metrics."""
        config = self.config
        asked = []
        for sample in samples:
            try:
                asked.append(Group(sample, self.prompts.get(sample.question, sample.images)))
            except RowError as error:
                self._reject(sample, error)
        requests = [
            GenerationRequest(
                sample.id,
                sample.question,
                sample.images,
                tuple(row_seed(config.seed, step, sample.id, index) for index in range(config.num_student_rows)),
            )
            for sample in (group.sample for group in asked)
        ]
        groups = []
        answers, metrics = self.sampled.ask(step, requests, config.sampling)
        for group, answer in zip(asked, answers, strict=True):
            if isinstance(answer, RowError):
                self._reject(group.sample, answer)
                continue
            group.rows = [student_row(response) for response in answer]
            masses = [response.truncated_mass for response in answer]
            group.truncated_mass = mean(mass for mass in masses if mass is not None)
            if self.teachers is not None:
                group.rows += self.teachers.pick(group.sample.id, config.num_teacher_rows, step=step)
            groups.append(group)
        if not groups and {row.sample_id for row in self.state.rejected} >= {sample.id for sample in self.samples}:
            first = self.state.rejected[0]
            raise DataError(f"no question can be asked; `{first.sample_id}`: {first.message}", hint="repair the data")
        return groups, metrics

    def _reject(self, sample: Sample, error: RowError) -> None:
        if any(row.sample_id == sample.id for row in self.state.rejected):
            return
        self.context.reporter.warn(f"row `{sample.id}` rejected: {error.message}")
        row = RejectedRecord(sample_id=sample.id, source="data", reason=error.reason, message=error.message)
        self.state = self.state.model_copy(update={"rejected": [*self.state.rejected, row]})

    def _validate(self, step: int) -> dict[str, float]:
        """Accuracy on held-out questions, greedy decoding; the best student so far is kept."""
        self.generation.update(step)
        samples = self.inputs.validation.samples[: self.config.num_validation_questions]
        greedy = SamplingConfig(max_new_tokens=self.config.sampling.max_new_tokens, temperature=0.0)
        requests = [GenerationRequest(sample.id, sample.question, sample.images, (0,)) for sample in samples]
        asked = [
            JudgeRequest(sample.question, sample.answer, answer[0].text, sample.images)
            for sample, answer in zip(samples, self.generation.generate(requests, greedy), strict=True)
            if not isinstance(answer, RowError)
        ]
        verdicts = [v.correct for v in self.learner.judge.judge(asked) if v.correct is not None]
        if not verdicts:
            return {}
        interval = wilson_interval(sum(verdicts), len(verdicts))
        if self.state.best_accuracy is None or interval.estimate > self.state.best_accuracy:
            self._keep_best()
            self.state = self.state.model_copy(update={"best_step": step, "best_accuracy": interval.estimate})
        return {
            "validation/accuracy": interval.estimate,
            "validation/low": interval.low,
            "validation/high": interval.high,
        }

    def _keep_best(self) -> None:
        scratch = self.artifact_run.resume_dir
        shutil.rmtree(scratch / "best.writing", ignore_errors=True)
        save_vlm(self.vlm, scratch / "best.writing")
        shutil.rmtree(scratch / "best", ignore_errors=True)
        (scratch / "best.writing").rename(scratch / "best")

    def write(self, roles: dict[str, ArtifactKind]) -> dict[str, ArtifactSummary]:
        """The artifacts of a finished run, by role."""
        outputs = {}
        for role, kind in roles.items():
            writer = self.artifact_run.writer(kind, role=role)
            metrics = self.summary()
            if role == "student":
                save_vlm(self.vlm, writer.staging())
                writer.write_rejected([*self.inputs.data.rejected, *self.state.rejected])
            elif role == "best-student":
                shutil.copytree(self.artifact_run.resume_dir / "best", writer.staging(), dirs_exist_ok=True)
                metrics = {"validation/accuracy": self.state.best_accuracy, "step": self.state.best_step}  # type: ignore[dict-item]
            elif role == "discriminator" and self.learner.disc is not None:
                self.learner.disc.save(writer.staging())
            else:
                writer.write_rows(RolloutLog(self.artifact_run.resume_dir).read())
            outputs[role] = writer.commit(metrics=metrics)
        return outputs

    def summary(self) -> dict[str, float]:
        """The newest value of each metric."""
        return dict(self.state.metrics)


def _teacher_rows(
    context: StageContext, config: TrainConfig, inputs: TrainInputs, vlm: Vlm
) -> tuple[TeacherRows | None, Sequence[Sample]]:
    """Cached teacher responses as rows, where the algorithm has them; the questions that can then be asked."""
    samples = inputs.data.samples
    if inputs.teacher_cache is None:
        return None, samples
    responses = read_responses(context, inputs.teacher_cache, samples)
    in_policy = config.algorithm.teacher_rows != "off"
    budget = config.sampling.max_new_tokens
    teachers = TeacherRows(vlm, responses, max_tokens=budget, in_policy=in_policy, seed=config.seed)
    answered = tuple(sample for sample in samples if sample.id in teachers)
    if not answered:
        raise ArtifactError(
            f"no cached teacher response fits `sampling.max_new_tokens` = {budget}",
            hint="raise `train.sampling.max_new_tokens`",
        )
    if teachers.num_too_long:
        context.reporter.warn(f"{teachers.num_too_long} teacher responses are over {budget} tokens and left out")
    if len(answered) < len(samples):
        context.reporter.warn(f"{len(samples) - len(answered)} questions have no teacher response")
    return teachers, answered


class Clock:
    """Seconds of each phase of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, phase: str) -> None:
        """The phase that ends here."""
        now = time.perf_counter()
        self.seconds[phase], self._last = now - self._last, now
