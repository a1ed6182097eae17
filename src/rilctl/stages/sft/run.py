"""`sft`: the warm start. Learn the data set's responses, or the teachers' (sequence-level distillation).

Shapes: N rows, R response tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from pydantic import JsonValue

from rilctl.artifacts.read import input_entry, read_rows, resolve
from rilctl.artifacts.runs import Run
from rilctl.clock import timed
from rilctl.config.fields import semantic_config
from rilctl.config.sft import SftConfig
from rilctl.data.batches import batches
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.data.sample import ImageRef, Sample
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.errors import ConfigError, DataError, RowError
from rilctl.models.loaded.devices import pick_device, pick_num_workers
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm, save_vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.cache import PromptCache
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary, InputEntry
from rilctl.schemas.records import RejectedRecord, RolloutRecord
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import (
    data_entry,
    find_artifact,
    find_student,
    load_data,
    present,
    read_responses,
    up_to_date,
)
from rilctl.stages.shared.learning import load_learner, refuse_changed
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import asked_to_stop, join_ranks, leave_if_asked, open_ranked_run, share_rejected
from rilctl.stages.shared.run_log import RunLog


@dataclass(frozen=True)
class SftRow:
    """A question and the response to learn.

    Args:
        sample_id: the question's id.
        stopped: whether the response's author ended it, so that the stop token is learned too.
        source: the teacher who answered, or `data`.
        response_index: which of its answers to this question; None: the data set has one.
        held_out: whether it is validated on, and not learned.
    """

    sample_id: str
    question: str
    images: tuple[ImageRef, ...]
    text: str
    stopped: bool
    source: str = "data"
    response_index: int | None = None
    held_out: bool = False

    @property
    def key(self) -> str:
        """Tells it from every other row: a question may have many."""
        return f"{'validation' if self.held_out else 'data'}/{self.sample_id}/{self.source}/{self.response_index}"

    def reject(self, error: RowError) -> RejectedRecord:
        """The record of a row that can't be learned."""
        which = "" if self.response_index is None else f"response {self.response_index}: "
        return RejectedRecord.of(self.sample_id, self.source, RowError(error.reason, f"{which}{error.message}"))


class SftState(StrictModel):
    """What a checkpoint remembers besides weights and optimizer."""

    rejected: dict[str, RejectedRecord] = {}
    """Bad rows so far, by `SftRow.key`."""
    metrics: dict[str, float] = {}
    """The newest value of each metric."""


def run(context: StageContext) -> StageResult:
    """Train and write the student."""
    with join_ranks(context, _config(context).engine) as ranks:
        return _run(context, _config(context), ranks)


def _run(context: StageContext, config: SftConfig, ranks: Ranks) -> StageResult:
    student, student_entry = find_student(context, config.student, after="sft")
    rows, inputs, rejected = _rows(context, config)
    validation = load_data(context, "validation")
    inputs = [student_entry, *inputs, *([data_entry(validation, "validation")] if validation.samples else [])]
    budget_tokens = None
    if config.match_tokens is not None:
        rollouts = resolve(context.base_dir / config.match_tokens, "rollouts")
        inputs.append(input_entry("match-tokens", rollouts))
        budget_tokens = sum(len(row.token_ids) for row in read_rows(rollouts, RolloutRecord) if row.in_policy)
        context.reporter.say(f"budget: {budget_tokens:,} response tokens, as many as in {rollouts}")
    semantic: dict[str, JsonValue] = {"sft": semantic_config(config), "student": semantic_config(student)}
    roles: dict[str, ArtifactKind] = {"student": "student"}
    with open_ranked_run(context, ranks, verb="sft", semantic=semantic, inputs=inputs, roles=roles) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
        if config.engine.num_threads:
            torch.set_num_threads(config.engine.num_threads)
        device = pick_device(config.engine.device)
        with phase("sft", "loading"):
            vlm = load_learner(
                context,
                student,
                config.engine,
                config.lora,
                adapter="student",
                seed=config.seed,
                device=device,
                ranks=ranks,
            )
            refuse_changed(vlm, artifact_run.inputs, ranks)
        held_out = [_data_row(sample, held_out=True) for sample in validation.samples]
        num_workers = pick_num_workers(config.engine.num_workers, device)
        prompts = PromptCache(vlm, num_workers=num_workers, warn=context.reporter.warn)
        trainer = _Trainer(context, config, vlm, rows, held_out, budget_tokens, prompts, ranks)
        with trainer.prompts, ranks.training():
            metrics = trainer.train(artifact_run)
        rejected = (*rejected, *trainer.rejected.values())
        outputs: dict[str, ArtifactSummary] = {}
        with phase("sft", "writing"), vlm.sharding.whole(), ranks.together():
            if ranks.is_main:
                outputs["student"] = _write_student(artifact_run, vlm, rejected, metrics)
                artifact_run.clear_resume()
    return StageResult(outputs, num_rejected=len(rejected), summary=dict(metrics))


@dataclass
class _Trainer:
    context: StageContext
    config: SftConfig
    vlm: Vlm
    rows: Sequence[SftRow]
    validation: Sequence[SftRow]
    budget_tokens: int | None
    prompts: PromptCache
    ranks: Ranks
    rejected: dict[str, RejectedRecord] = field(default_factory=dict)

    def train(self, artifact_run: Run) -> dict[str, float]:
        """All steps that are left; returns the last metrics."""
        config, reporter, ranks = self.config, self.context.reporter, self.ranks
        num_steps = self._num_steps()
        with phase("sft", "loading"):
            if config.lora:
                open_frozen([self.vlm], config.engine, ranks=ranks)
            engine = open_training(self.vlm, config.optim, config.engine, num_steps=num_steps, ranks=ranks)
        log = RunLog(artifact_run, ranks)
        checkpoints = Checkpoints(
            artifact_run.resume_dir, {"student": engine}, SftState, log.files, ranks=ranks, say=reporter.say
        )
        with checkpoints, log.running():
            return self._train(engine, num_steps, log, checkpoints)

    def _train(
        self, engine: TrainingEngine, num_steps: int, log: RunLog, checkpoints: Checkpoints[SftState]
    ) -> dict[str, float]:
        config, reporter, ranks = self.config, self.context.reporter, self.ranks
        checkpoint = checkpoints.load(num_steps)
        step, state = checkpoint or (0, SftState())
        if checkpoint:
            reporter.say(f"resuming at step {step} of {num_steps}")
        self.rejected = dict(state.rejected)
        last = dict(state.metrics)
        reporter.begin("sft", total=num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(self.rows), config.rows_per_step, config.seed, step)):
            if step == num_steps:
                break
            step += 1
            soon = ranks.share(upcoming) if step < num_steps else []
            self._expect([self.rows[pick] for pick in (*ranks.share(picks), *soon)])
            with phase("sft", "update"):
                metrics = self._step(engine, [self.rows[pick] for pick in ranks.share(picks)])
                if step % config.validate_every == 0 or step == num_steps:
                    with timed("validation"):
                        metrics |= self._validate()
            log.write(step, metrics)
            last |= metrics
            reporter.advance(metrics=shown("sft", metrics))
            signal_number = asked_to_stop(self.context, ranks)
            checkpoints.after_step(
                step,
                partial(SftState, rejected=self.rejected, metrics=last),
                is_due=step % config.checkpoint_every == 0,
                is_last=step == num_steps or bool(signal_number),
            )
            leave_if_asked(self.context, signal_number)
        reporter.end()
        return last

    def _num_steps(self) -> int:
        """Steps of the whole run; as many as it takes where the budget is a number of tokens."""
        if self.budget_tokens is None:
            return self.config.steps_for(len(self.rows), self.config.rows_per_step)
        lengths = [len(encode_response(self.vlm, row.text, stopped=row.stopped)) for row in self.rows]
        tokens_per_step = self.config.rows_per_step * sum(lengths) / len(lengths)
        return max(1, round(self.budget_tokens / tokens_per_step))

    def _step(self, engine: TrainingEngine, rows: Sequence[SftRow]) -> dict[str, float]:
        """One optimizer step; the loss is the mean over the response tokens of all ranks."""
        encoded = self._encode_together(rows)
        if not self.ranks.total(len(encoded)) and self.rejected.keys() >= {row.key for row in self.rows}:
            first = next(iter(self.rejected.values()))
            raise DataError(f"every row was rejected; `{first.sample_id}`: {first.message}", hint="repair the data")
        # 0 where all rows are bad: nothing is learned
        num_tokens = self.ranks.total(sum(len(token_ids) for _, token_ids in encoded))
        sums = DeviceSums()
        for micro_batch in self._micro_batches(encoded):
            loss = self._token_loss(micro_batch) / max(1, num_tokens)
            engine.backward(loss)
            sums.add({"loss": loss})
        report = engine.step()
        loss_sum = self.ranks.add_up({"loss": 0.0} | sums.read())["loss"]
        metrics = step_metrics("student", loss_sum, report, self.config.optim)
        metrics["num_tokens"] = float(num_tokens)
        return {f"sft/{name}": value for name, value in metrics.items()}

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Mean loss over the validation rows' response tokens."""
        own = self.ranks.share(self.validation)
        self._expect(own)
        encoded = self._encode_together(own)
        num_tokens = self.ranks.total(sum(len(token_ids) for _, token_ids in encoded))
        if not num_tokens:
            return {}
        sums = DeviceSums()
        for micro_batch in self._micro_batches(encoded):
            sums.add({"loss": self._token_loss(micro_batch)})
        return {"validation/loss": self.ranks.add_up(sums.read())["loss"] / num_tokens}

    def _expect(self, rows: Sequence[SftRow]) -> None:
        self.prompts.expect((row.question, row.images) for row in rows)

    def _encode_together(self, rows: Sequence[SftRow]) -> list[tuple[EncodedPrompt, tuple[int, ...]]]:
        """This rank's rows as tensors; bad ones of any rank are recorded on all. Collective."""
        new: dict[str, RejectedRecord] = {}
        with timed("pictures"), self.ranks.together():
            encoded = list(self._encode(rows, new))
        keys = self.ranks.gather_lists([*new])
        self.rejected |= zip(keys, share_rejected(self.ranks, [*new.values()]), strict=True)
        return encoded

    def _encode(
        self, rows: Sequence[SftRow], rejected: dict[str, RejectedRecord]
    ) -> Iterator[tuple[EncodedPrompt, tuple[int, ...]]]:
        """Rows as tensors; bad ones are left out, and recorded by their key."""
        for row in rows:
            try:
                prompt = self.prompts.get(row.question, row.images)  # first, as it may be expected
                token_ids = encode_response(self.vlm, row.text, stopped=row.stopped)
                if len(token_ids) > self.config.max_response_tokens:
                    limit = self.config.max_response_tokens
                    raise RowError("response-too-long", f"{len(token_ids)} tokens, max_response_tokens = {limit}")
                yield prompt, token_ids
            except RowError as error:
                rejected[row.key] = row.reject(error)

    def _micro_batches(
        self, encoded: list[tuple[EncodedPrompt, tuple[int, ...]]]
    ) -> Iterator[list[tuple[EncodedPrompt, tuple[int, ...]]]]:
        """See `micro_batches`; empty ones where another rank has more. Collective."""
        sizes = [GroupSize(len(prompt.token_ids_P), 1, len(token_ids)) for prompt, token_ids in encoded]
        parts = list(micro_batches(sizes, self.config.engine.tokens_per_micro_batch))
        for picks in self.ranks.padded(parts, [], least=int(self.vlm.stand_in is not None)):
            yield [encoded[pick] for pick in picks]

    def _token_loss(self, micro_batch: Sequence[tuple[EncodedPrompt, tuple[int, ...]]]) -> torch.Tensor:
        """Negative log-likelihood, summed over response tokens; prompt tokens don't count."""
        ids_NR, mask_NR = collate_responses(self.vlm, [token_ids for _, token_ids in micro_batch])
        prompts = [prompt for prompt, _ in micro_batch]
        rows = torch.arange(len(prompts))
        return response_loss(self.vlm, prompts, rows, ids_NR, mask_NR, lambda logprobs_C, _: -logprobs_C.sum())[0]


def _config(context: StageContext) -> SftConfig:
    return context.recipe.sft or SftConfig()


def _rows(
    context: StageContext, config: SftConfig
) -> tuple[list[SftRow], list[InputEntry], tuple[RejectedRecord, ...]]:
    """The rows to learn, their lineage, and the bad rows of the data set."""
    data = load_data(context)
    if config.responses == "data":
        return [_data_row(sample) for sample in data.samples], [data_entry(data)], data.rejected
    path = find_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
    responses = read_responses(context, path, data.samples)
    rows = [
        SftRow(
            sample.id,
            sample.question,
            sample.images,
            response.text,
            stopped=response.finish_reason != "length",
            source=response.source,
            response_index=response.response_index,
        )
        for sample in data.samples
        for response in responses.get(sample.id, ())
        if response.text
    ]
    if not rows:
        raise ConfigError(f"{path} has no usable response", hint="cache the teachers' answers again")
    return rows, [data_entry(data), input_entry("teacher-cache", path)], data.rejected


def _data_row(sample: Sample, *, held_out: bool = False) -> SftRow:
    return SftRow(sample.id, sample.question, sample.images, sample.response, True, held_out=held_out)


def _write_student(
    artifact_run: Run, vlm: Vlm, rejected: Sequence[RejectedRecord], metrics: dict[str, float]
) -> ArtifactSummary:
    writer = artifact_run.writer("student")
    staging: Path = writer.staging()
    save_vlm(vlm, staging)
    writer.write_rejected(rejected)
    return writer.commit(metrics=present(dict(metrics)))
