"""The loop: groups, learning, validation, checkpoints, artifacts."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise

from rilctl.artifacts.layout import PROFILE, copy_files
from rilctl.artifacts.runs import Run
from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.batches import batches
from rilctl.data.sample import Sample
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import DataError, InterruptedByUser
from rilctl.models.loaded.vlm import Vlm, save_vlm
from rilctl.reporting.found_pictures import pictures_of
from rilctl.reporting.registry import shown
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary, FileEntry
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import asked_to_stop, leave_if_asked
from rilctl.stages.shared.run_log import RunLog
from rilctl.stages.train.asking import RolloutAsker
from rilctl.stages.train.course import idle_warning, last_words, worse_warning
from rilctl.stages.train.inputs import TrainInputs
from rilctl.stages.train.kept import BestStudent, KeptStudents, early_student
from rilctl.stages.train.profile import StepProfile
from rilctl.stages.train.state import TrainState
from rilctl.stages.train.step import Learner, TrainingStep
from rilctl.stages.train.validation import validate


@dataclass
class Loop:
    """A run under way.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        inputs: what the run is made from.
        artifact_run: where it writes.
        steps: takes them.
        samples: the questions that can be asked.
        budget_tokens: response tokens that end the run; None: steps do.
        state: what a checkpoint remembers besides weights and optimizers.
    """

    context: StageContext
    config: TrainConfig
    inputs: TrainInputs
    artifact_run: Run
    steps: TrainingStep
    samples: Sequence[Sample]
    budget_tokens: int | None = None
    state: TrainState = field(default_factory=TrainState)

    def __post_init__(self) -> None:
        self.best = BestStudent(self.artifact_run.resume_dir)
        self.every = KeptStudents(self.artifact_run.resume_dir, "student")

    @property
    def _early(self) -> Mapping[str, int]:
        """The steps whose students are kept for good, by role."""
        return {early_student(step): step for step in self.config.keep.students_of(self.config.num_steps)}

    @property
    def learner(self) -> Learner:
        """What learns, and who judges."""
        return self.steps.learner

    @property
    def asker(self) -> RolloutAsker:
        """Asks the policy."""
        return self.steps.groups.asker

    @property
    def ranks(self) -> Ranks:
        """This process among those that train."""
        return self.learner.ranks

    @property
    def vlm(self) -> Vlm:
        """The student that is trained."""
        return self.learner.policy_update.policy

    @property
    def engines(self) -> dict[str, TrainingEngine]:
        """What a checkpoint holds."""
        engines = {"policy": self.learner.policy_update.engine}
        return engines | ({"discriminator": self.learner.disc_engine} if self.learner.disc_engine else {})

    def run(self) -> None:
        """All steps that are left."""
        groups = self.steps.groups
        log = RunLog(self.context, self.artifact_run, self.ranks, pictures_of(lambda: self.samples))
        checkpoints = Checkpoints(
            self.artifact_run.resume_dir,
            self.engines,
            TrainState,
            [*log.files, self.steps.rollouts.file],
            ranks=self.ranks,
            say=self.context.reporter.say,
            published=self._forget,
        )
        with groups.reading(), closing(self.asker.engine), self.ranks.training(), checkpoints, log.running():
            self._run(log, checkpoints)

    def _run(self, log: RunLog, checkpoints: Checkpoints[TrainState]) -> None:
        config, reporter, ranks = self.config, self.context.reporter, self.ranks
        profile = StepProfile(config.profile, self.artifact_run.path / PROFILE, self.vlm.device, ranks)
        checkpoint = checkpoints.load(config.num_steps)
        step = 0
        if checkpoint is not None:
            step, self.state = checkpoint
            self.asker.stored.learned = self.state.learned
            reporter.say(f"resuming at step {step} of {config.num_steps}")
        with ranks.together():
            if ranks.is_main:
                best = {} if self.state.best_step is None else {self.state.best_step: self.state.best_files}
                self.best.check(best, hint=checkpoints.hint)
                self.every.check(self.state.kept_files, hint=checkpoints.hint)
            self._forget(step, self.state)
        if checkpoint is None and self.inputs.validation.samples:
            log.write(0, self._validate(0))
        reporter.begin(f"train {config.algorithm.name}", total=config.num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(self.samples), config.questions_per_step, config.seed, step)):
            if step == config.num_steps or self._ends_early():
                break
            step += 1
            last = step == config.num_steps
            soon = [self.samples[pick] for pick in (*ranks.share(picks), *(() if last else ranks.share(upcoming)))]
            self.steps.groups.expect(sample.conversation for sample in soon)
            samples = [self.samples[pick] for pick in picks]
            with profile.step(step, log.clock):
                metrics = self._step(step, samples, checkpoints)
            log.write(step, metrics)
            self.state = self.state.model_copy(update={"metrics": self.state.metrics | metrics})
            if early_student(step) in self._early:
                kept = self.state.kept_files | {step: self._kept(self.every, step)}
                self.state = self.state.model_copy(update={"kept_files": kept})
            reporter.advance(metrics=shown("train", self.state.metrics))
            self._watch(metrics)
            signal_number = asked_to_stop(self.context, ranks)
            is_due = step % config.checkpoint_every == 0
            is_last = last or self._ends_early() or bool(signal_number)
            if is_due or is_last:
                self.learner.judge.settle(config, self.context.check_stop)
            checkpoints.after_step(step, self._state_now, is_due=is_due, is_last=is_last)
            leave_if_asked(self.context, signal_number)
        reporter.end()
        if step < config.num_steps:
            reporter.warn(f"ended after step {step} of {config.num_steps}: {self._why()}")
        if (how_to_open := profile.how_to_open()) is not None:
            reporter.say(how_to_open)

    def _step(self, step: int, samples: Sequence[Sample], checkpoints: Checkpoints[TrainState]) -> dict[str, float]:
        """Take a step; its metrics, those of the validation after it included. Collective."""
        try:
            taken = self.steps.take(step, samples, self.state.judge_counts)
        except InterruptedByUser:
            if self.steps.pulse.hears:  # nothing is learned from it yet
                checkpoints.after_step(step - 1, self._state_now, is_due=False, is_last=True)
            raise
        self._reject(taken.rejected)
        known = {row.sample_id for row in self.state.rejected}
        if not taken.num_groups and known >= {sample.id for sample in self.samples}:
            first = self.state.rejected[0]
            raise DataError(f"no question can be asked; `{first.sample_id}`: {first.message}", hint="repair the data")
        learned = sum(taken.metrics.get(f"policy/num_{side}_tokens", 0.0) for side in ("student", "teacher", "sft"))
        self.state = self.state.model_copy(update={"num_tokens": self.state.num_tokens + round(learned)})
        if self.inputs.validation.samples and (self.config.validates_after(step) or self._has_learned_enough()):
            return taken.metrics | self._validate(step)
        return taken.metrics

    def _has_learned_enough(self) -> bool:
        return self.budget_tokens is not None and self.state.num_tokens >= self.budget_tokens

    def _ends_early(self) -> bool:
        return self._has_learned_enough() or self.state.course.gives_up(self.config)

    def _why(self) -> str:
        if self._has_learned_enough():
            return f"the policy has learned from {self.state.num_tokens:,} response tokens"
        return f"`train.patience` is {self.config.patience}"

    def _state_now(self) -> TrainState:
        """What a checkpoint is to remember; until there is another one, the state's counts stay the last one's."""
        judge_counts = self.learner.judge.counts(self.state.judge_counts)
        return self.state.model_copy(update={"judge_counts": judge_counts, "learned": self.asker.stored.learned})

    def _forget(self, step: int, state: TrainState) -> None:
        """What a checkpoint makes superfluous."""
        self.asker.stored.forget_to(step)
        if self.ranks.is_main:
            self.best.settle(state.best_step)

    def _reject(self, rows: Sequence[RejectedRecord]) -> None:
        known = {row.sample_id for row in self.state.rejected}
        new = list({row.sample_id: row for row in rows if row.sample_id not in known}.values())
        for row in new:
            self.context.reporter.warn(f"row `{row.sample_id}` rejected: {row.message}")
        self.state = self.state.model_copy(update={"rejected": [*self.state.rejected, *new]})

    def _validate(self, step: int) -> dict[str, float]:
        """See `validate`; the best student so far is kept. Collective."""
        samples = self.inputs.validation.samples
        with timed("validation"):
            interval, metrics = validate(self.context, self.config, self.asker, self.learner.judge, step, samples)
        if interval is not None:
            self.state = self.state.model_copy(update={"course": self.state.course.after_validation(step, interval)})
            if (warning := worse_warning(step, interval, self.state.course)) is not None:
                self.context.reporter.warn(warning)
            value, best = metrics.get(self.config.keep.best), self.state.best_value
            if value is not None and (best is None or value > best):
                with timed("validation"):
                    files = self._kept(self.best, step)
                self.state = self.state.model_copy(update={"best_step": step, "best_value": value, "best_files": files})
        return metrics

    def _watch(self, metrics: Mapping[str, float]) -> None:
        """Say it where nothing is learned."""
        course = self.state.course.after_step(metrics)
        self.state = self.state.model_copy(update={"course": course})
        if (warning := idle_warning(course)) is not None:
            self.context.reporter.warn(warning)

    def _kept(self, students: KeptStudents, step: int) -> list[FileEntry]:
        """Keep the student as it is now; rank 0 is told its files. Collective."""
        with self.vlm.sharding.whole(), self.ranks.together():
            return students.keep(step, lambda path: save_vlm(self.vlm, path)) if self.ranks.is_main else []

    def write(self, roles: dict[str, ArtifactKind]) -> dict[str, ArtifactSummary]:
        """The artifacts of a finished run, by role, as rank 0 writes them. Collective.

        There is no best student where no validation had enough verdicts, which a warning says.
        """
        state, algorithm = self.state, self.config.algorithm
        for words in last_words(state.course, state.best_step, from_rewards=algorithm.learns_from_rewards):
            self.context.reporter.warn(words)
        outputs: dict[str, ArtifactSummary] = {}
        for role, kind in roles.items():
            if role == "best-student" and self.state.best_step is None:
                self.context.reporter.warn("no best-student is written: no validation had enough verdicts")
                continue
            if role in self._early and self._early[role] not in self.state.kept_files:
                continue  # the run ended before, or began after it
            disc = self.learner.disc if role == "discriminator" else None
            sharding = (disc.vlm if disc else self.vlm).sharding
            with phase("train", "writing"), sharding.whole(), self.ranks.together():
                if self.ranks.is_main:
                    outputs[role] = self._write(role, kind)
        return outputs

    def _write(self, role: str, kind: ArtifactKind) -> ArtifactSummary:
        writer = self.artifact_run.writer(kind, role=role)
        metrics: Mapping[str, float | None] = self.summary()
        if role == "student":
            save_vlm(self.vlm, writer.staging())
            writer.write_rejected([*self.inputs.data.rejected, *self.state.rejected])
        elif role == "best-student" and self.state.best_step is not None:
            copy_files(self.best.path(self.state.best_step), writer.staging())
            metrics = {self.config.keep.best: self.state.best_value, "step": self.state.best_step}
        elif role in self._early:
            copy_files(self.every.path(self._early[role]), writer.staging())
            metrics = {"step": self._early[role]}
        elif role == "discriminator" and self.learner.disc is not None:
            self.learner.disc.save(writer.staging())
        else:
            writer.write_rows(self.steps.rollouts.read())
        return writer.commit(metrics={name: float(value) for name, value in metrics.items() if value is not None})

    def summary(self) -> dict[str, float]:
        """The newest value of each metric."""
        return dict(self.state.metrics)
