"""Learning by heart, step by step. Shapes: N rows, R response tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch

from rilctl.artifacts.runs import Run
from rilctl.clock import timed
from rilctl.config.sft import SftConfig
from rilctl.data.batches import batches
from rilctl.data.micro_batches import micro_batches
from rilctl.data.sample import Sample
from rilctl.data.spread import spread
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.errors import DataError, RowError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import encode_response, encode_responses
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.prompts.lengths import check_room
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.sft.lessons import Lesson
from rilctl.stages.sft.passes import EncodedRow, Pass
from rilctl.stages.sft.rows import SftInputs, SftRow, Unit, fits
from rilctl.stages.sft.validation import answer_metrics
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.learning import open_optimizer
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.shared.ranked import asked_to_stop, leave_if_asked, share_rejected
from rilctl.stages.shared.run_log import RunLog

_ANSWER_TOKENS = 256
_MOST_MEASURED = 16_384
"""Units of which the response tokens are counted for a budget of tokens; of more, so many speak for all."""


class SftState(StrictModel):
    """What a checkpoint remembers besides weights and optimizer."""

    rejected: dict[str, RejectedRecord] = {}
    """Bad rows so far, by `SftRow.key`."""
    metrics: dict[str, float] = {}
    """The newest value of each metric."""


@dataclass
class Trainer:
    """The one loop of `sft`; bad rows so far are in `rejected`, by `SftRow.key`.

    Validations answer `questions`. The optimizer is told of the frozen models `beside` the one that learns. Counts of
    the inputs stand in the first step's line.
    """

    context: StageContext
    config: SftConfig
    vlm: Vlm
    inputs: SftInputs
    lesson: Lesson
    budget_tokens: int | None
    prompts: KeptPrompts
    ranks: Ranks
    questions: Sequence[Sample] = ()
    beside: Sequence[Vlm] = ()
    rejected: dict[str, RejectedRecord] = field(default_factory=dict)

    def train(self, artifact_run: Run) -> dict[str, float]:
        """All steps that are left; returns the last metrics."""
        config, reporter, ranks = self.config, self.context.reporter, self.ranks
        num_steps = self._num_steps()
        engine = open_optimizer(
            "sft", self.vlm, config.optim, config.engine, num_steps=num_steps, ranks=ranks, beside=self.beside
        )
        log = RunLog(self.context, artifact_run, ranks)
        checkpoints = Checkpoints(
            artifact_run.resume_dir, {"student": engine}, SftState, log.files, ranks=ranks, say=reporter.say
        )
        with self.prompts, ranks.training(), checkpoints, log.running():
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
        for picks, upcoming in pairwise(batches(len(self.inputs.units), config.rows_per_step, config.seed, step)):
            if step == num_steps:
                break
            step += 1
            soon = ranks.share(upcoming) if step < num_steps else []
            self._expect([self.inputs.units[pick] for pick in (*ranks.share(picks), *soon)])
            with phase("sft", "update"):
                metrics = self._step(engine, [self.inputs.units[pick] for pick in ranks.share(picks)])
                metrics |= self.inputs.counts if step == 1 else {}
                if step % config.validate_every == 0 or step == num_steps:
                    with timed("validation"):
                        metrics |= self._validate() | self._answer()
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
            return self.config.steps_for(len(self.inputs.units), self.config.rows_per_step)
        measured = spread(self.inputs.units, _MOST_MEASURED)
        texts = [(row.text, row.stopped) for unit in measured for row in unit]
        tokens_per_step = self.config.rows_per_step * sum(map(len, encode_responses(self.vlm, texts))) / len(measured)
        return max(1, round(self.budget_tokens / tokens_per_step))

    def _step(self, engine: TrainingEngine, units: Sequence[Unit]) -> dict[str, float]:
        """One optimizer step; the loss is the mean over the response tokens of all ranks, or over their pairs."""
        encoded = self._encode_together(units)
        if not self.ranks.total(len(encoded)) and all(map(self._is_lost, self.inputs.units)):
            first = next(iter(self.rejected.values()))
            raise DataError(f"every row was rejected; `{first.sample_id}`: {first.message}", hint="repair the data")
        # 0 where all rows are bad: nothing is learned
        num_tokens = self.ranks.total(sum(each.num_learned for each in encoded))
        denominator = max(1, self.ranks.total(self.lesson.count(encoded)))
        sums = DeviceSums()
        for micro_batch in self._micro_batches(encoded):
            loss, measured = self.lesson.loss(micro_batch, denominator)
            engine.backward(loss)
            sums.add({"loss": loss} | measured)
        report = engine.step()
        means = self.ranks.add_up({"loss": 0.0} | sums.read())
        metrics = step_metrics("student", means.pop("loss"), report, self.config.optim)
        if report.grad_norm is not None:
            metrics |= means
        metrics["num_tokens"] = float(num_tokens)
        return {f"sft/{name}": value for name, value in metrics.items()}

    def _is_lost(self, unit: Unit) -> bool:
        """Whether nothing of it can be learned."""
        are_bad = [row.key in self.rejected for row in unit]
        return any(are_bad) if self.lesson.needs_all else all(are_bad)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """The loss of the validation units, as that of a step is."""
        own = self.ranks.share(self.inputs.held_out)
        self._expect(own)
        encoded = self._encode_together(own)
        num = self.ranks.total(self.lesson.count(encoded))
        if not num:
            return {}
        sums = DeviceSums()
        for micro_batch in self._micro_batches(encoded):
            sums.add({"loss": self.lesson.loss(micro_batch, 1)[0]})
        return {"validation/loss": self.ranks.add_up(sums.read())["loss"] / num}

    def _answer(self) -> dict[str, float]:
        """See `answer_metrics`. Collective."""
        if not self.questions:
            return {}
        return answer_metrics(
            self.vlm,
            self.prompts,
            self.questions,
            max_new_tokens=self._answer_tokens(),
            ranks=self.ranks,
            between_tokens=Pulse(self.context, hears=False),  # the step has learned: it is finished
            pictures=self.config.validation_picture,
            seed=self.config.seed,
        )

    def _answer_tokens(self) -> int:
        """The budget of rollouts, where the recipe has them."""
        train = self.context.recipe.train
        return train.sampling.max_new_tokens if train else min(self.config.max_response_tokens, _ANSWER_TOKENS)

    def _expect(self, units: Sequence[Unit]) -> None:
        self.prompts.expect(row.conversation for unit in units for row in unit)

    def _encode_together(self, units: Sequence[Unit]) -> list[Pass]:
        """This rank's rows as tensors; bad ones of any rank are recorded on all. Collective."""
        new: dict[str, RejectedRecord] = {}
        with timed("pictures"), self.ranks.together():
            encoded = [each for unit in units for each in self.lesson.passes(list(self._encode(unit, new)))]
        keys = self.ranks.gather_lists([*new])
        self.rejected |= zip(keys, share_rejected(self.ranks, [*new.values()]), strict=True)
        return encoded

    def _encode(self, rows: Sequence[SftRow], rejected: dict[str, RejectedRecord]) -> Iterator[EncodedRow]:
        """Rows as tensors; bad ones are left out, and recorded by their key."""
        for row in rows:
            try:
                prompt = self.prompts.get(row.conversation)  # first, as it may be expected
                token_ids = encode_response(self.vlm, row.text, stopped=row.stopped)
                if not fits(len(token_ids), self.config.max_response_tokens):
                    limit = self.config.max_response_tokens
                    raise RowError("response-too-long", f"{len(token_ids)} tokens, max_response_tokens = {limit}")
                check_room(self.vlm, len(prompt.token_ids_P), len(token_ids))
                yield prompt, token_ids
            except RowError as error:
                rejected[row.key] = row.reject(error)

    def _micro_batches(self, encoded: list[Pass]) -> Iterator[list[Pass]]:
        """See `micro_batches`; empty ones where another rank has more. Collective."""
        parts = list(micro_batches([each.size for each in encoded], self.config.engine.tokens_per_micro_batch))
        for picks in self.ranks.padded(parts, [], least=int(self.vlm.stand_in is not None)):
            yield [encoded[pick] for pick in picks]
