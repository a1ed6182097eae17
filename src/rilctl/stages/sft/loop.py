"""Learning by heart, step by step. Shapes: N rows, R response tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import torch

from rilctl.algorithms.logprobs import negative_log_likelihood
from rilctl.artifacts.runs import Run
from rilctl.clock import timed
from rilctl.config.sft import SftConfig
from rilctl.data.batches import batches
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.data.sample import Sample
from rilctl.engines.training.base import TrainingEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.sums import DeviceSums
from rilctl.errors import DataError, RowError
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.prompts.lengths import check_room
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.sft.rows import SftRow, fits
from rilctl.stages.sft.validation import answer_metrics
from rilctl.stages.shared.bad_steps import step_metrics
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.learning import open_optimizer
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import asked_to_stop, leave_if_asked, share_rejected
from rilctl.stages.shared.run_log import RunLog

_ANSWER_TOKENS = 256


class SftState(StrictModel):
    """What a checkpoint remembers besides weights and optimizer."""

    rejected: dict[str, RejectedRecord] = {}
    """Bad rows so far, by `SftRow.key`."""
    metrics: dict[str, float] = {}
    """The newest value of each metric."""


@dataclass
class Trainer:
    """The one loop of `sft`; bad rows so far are in `rejected`, by `SftRow.key`. Validations answer `questions`."""

    context: StageContext
    config: SftConfig
    vlm: Vlm
    rows: Sequence[SftRow]
    validation: Sequence[SftRow]
    budget_tokens: int | None
    prompts: KeptPrompts
    ranks: Ranks
    questions: Sequence[Sample] = ()
    rejected: dict[str, RejectedRecord] = field(default_factory=dict)

    def train(self, artifact_run: Run) -> dict[str, float]:
        """All steps that are left; returns the last metrics."""
        config, reporter, ranks = self.config, self.context.reporter, self.ranks
        num_steps = self._num_steps()
        engine = open_optimizer("sft", self.vlm, config.optim, config.engine, num_steps=num_steps, ranks=ranks)
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

    def _answer(self) -> dict[str, float]:
        """See `answer_metrics`. Collective."""
        if not self.questions:
            return {}
        return answer_metrics(
            self.vlm, self.prompts, self.questions, max_new_tokens=self._answer_tokens(), ranks=self.ranks
        )

    def _answer_tokens(self) -> int:
        """The budget of rollouts, where the recipe has them."""
        train = self.context.recipe.train
        return train.sampling.max_new_tokens if train else min(self.config.max_response_tokens, _ANSWER_TOKENS)

    def _expect(self, rows: Sequence[SftRow]) -> None:
        self.prompts.expect(row.conversation for row in rows)

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
                prompt = self.prompts.get(row.conversation)  # first, as it may be expected
                token_ids = encode_response(self.vlm, row.text, stopped=row.stopped)
                if not fits(len(token_ids), self.config.max_response_tokens):
                    limit = self.config.max_response_tokens
                    raise RowError("response-too-long", f"{len(token_ids)} tokens, max_response_tokens = {limit}")
                check_room(self.vlm, len(prompt.token_ids_P), len(token_ids))
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
        return response_loss(self.vlm, prompts, rows, ids_NR, mask_NR, negative_log_likelihood)[0]
