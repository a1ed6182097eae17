"""The discriminator's own training, before it meets the policy."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch

from rilctl.algorithms.disc_metrics import length_only_accuracy
from rilctl.artifacts.runs import Run
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.batches import batches
from rilctl.data.spread import spread
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import DataError
from rilctl.models.discriminator import Discriminator, normalise
from rilctl.models.prompts.encode import encode_responses
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.pretrain_disc.looking import looking
from rilctl.stages.pretrain_disc.pairs import Pair, labelled, still_readable
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.disc_update import health, score, update_discriminator
from rilctl.stages.shared.inputs import present
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.shared.learning import open_optimizer
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import asked_to_stop, leave_if_asked
from rilctl.stages.shared.run_log import RunLog

_MOST_MEASURED = 8192
"""Pairs whose lengths a rule that sees only length is fitted on, and told apart by, and whose pictures are swapped; of
more, every so many."""
_TELLING, _NEAR = 0.9, 0.02
"""From which accuracy on a rule is called telling, and how much better than it a discriminator must be."""


class DiscState(StrictModel):
    """What a checkpoint remembers besides weights and optimizer."""

    rejected: dict[str, RejectedRecord] = {}
    """Questions whose pictures changed since the run began, by id."""


def train(
    context: StageContext,
    config: PretrainDiscConfig,
    disc: Discriminator,
    learned: Sequence[Pair],
    held_out: Sequence[Pair],
    artifact_run: Run,
    ranks: Ranks,
) -> tuple[dict[str, float], list[RejectedRecord]]:
    """All steps that are left, then the report on questions that it never saw, and those rejected. Collective."""
    pairs_per_step = config.pairs_per_step
    num_steps = config.steps_for(len(learned), pairs_per_step)
    engine = open_optimizer("pretrain-disc", disc, config.optim, config.engine, num_steps=num_steps, ranks=ranks)
    log, engines = RunLog(context, artifact_run, ranks), {"discriminator": engine}
    checkpoints = Checkpoints(
        artifact_run.resume_dir, engines, DiscState, log.files, ranks=ranks, say=context.reporter.say
    )
    budget_tokens = config.engine.tokens_per_micro_batch
    with disc.prompts, ranks.training(), checkpoints, log.running():
        checkpoint = checkpoints.load(num_steps)
        step, state = checkpoint or (0, DiscState())
        rejected = dict(state.rejected)
        context.reporter.begin("pretrain-disc", total=num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(learned), pairs_per_step, config.seed, step)):
            if step == num_steps:
                break
            step += 1
            soon = ranks.share(upcoming) if step < num_steps else []
            _expect(disc, [learned[pick] for pick in (*ranks.share(picks), *soon)])
            pairs, held = still_readable(disc, [learned[pick] for pick in ranks.share(picks)], rejected, ranks)
            report = dict[str, float]()
            if ranks.total(len(pairs)):
                batch = labelled(pairs)
                with phase("pretrain-disc", "update"):
                    logits_N, report = update_discriminator(
                        disc, engine, batch, optim=config.optim, budget_tokens=budget_tokens, ranks=ranks
                    )
                report |= health(disc, logits_N, batch, ranks=ranks)
            elif rejected.keys() >= {pair.sample.id for pair in learned}:
                first = next(iter(rejected.values()))
                raise DataError(
                    f"every question was rejected; `{first.sample_id}`: {first.message}",
                    hint="put the pictures back as they were; the same command goes on from the last checkpoint",
                )
            del held
            metrics = {f"disc/{name}": value for name, value in report.items()}
            log.write(step, metrics)
            context.reporter.advance(metrics=shown("pretrain-disc", metrics))
            signal_number = asked_to_stop(context, ranks)
            checkpoints.after_step(
                step,
                partial(DiscState, rejected=rejected),
                is_due=step % config.checkpoint_every == 0,
                is_last=step == num_steps or bool(signal_number),
            )
            leave_if_asked(context, signal_number)
        context.reporter.end()
        report = held_out_report(disc, config, learned, held_out, ranks, rejected)
        return report, [*rejected.values()]


def length_warning(metrics: Mapping[str, float]) -> str | None:
    """What to say where a rule that sees only the number of tokens tells the sides apart as well; None: nothing."""
    by_length, balanced = (metrics.get(f"held_out/{name}") for name in ("length_only_accuracy", "balanced_accuracy"))
    if by_length is None or balanced is None or by_length < _TELLING or by_length < balanced - _NEAR:
        return None
    return (
        f"length alone tells student from teacher ({by_length:.1%} of held-out responses; the discriminator: "
        f"{balanced:.1%}): the similarity reward would teach length. Let the student answer like the teachers first "
        '(`sft.responses = "teacher-cache"`), or give both the same `sampling.max_new_tokens`'
    )


def _expect(disc: Discriminator, pairs: Sequence[Pair]) -> None:
    disc.prompts.expect(disc.shown(pair.asked) for pair in pairs)


def held_out_report(
    disc: Discriminator,
    config: PretrainDiscConfig,
    learned: Sequence[Pair],
    held_out: Sequence[Pair],
    ranks: Ranks,
    rejected: dict[str, RejectedRecord],
) -> dict[str, float]:
    """How well it tells apart responses to questions it never saw, beside a rule that sees only their length."""

    def lengths(batch: LabelledRows) -> tuple[torch.Tensor, torch.Tensor]:
        texts = [(normalise(row.text), False) for row in batch.rows]
        num_tokens = [len(token_ids) for token_ids in encode_responses(disc.vlm, texts)]
        return torch.tensor(num_tokens), torch.tensor(batch.is_student, dtype=torch.float32)

    pairs_at_once, budget_tokens = config.pairs_per_step, config.engine.tokens_per_micro_batch
    own = ranks.share(held_out)
    _expect(disc, own)
    parts = [own[start : start + pairs_at_once] for start in range(0, len(own), pairs_at_once)]
    logits, seen = [torch.empty(0)], list[Pair]()
    for part in ranks.padded(parts, []):
        pairs, held = still_readable(disc, part, rejected, ranks)
        if ranks.total(len(pairs)):
            logits.append(score(disc, labelled(pairs), budget_tokens=budget_tokens, ranks=ranks))
            seen += pairs
        del held
    told = spread([pair for pair in held_out if pair.sample.id not in rejected], _MOST_MEASURED)
    metrics: dict[str, float | None] = dict(health(disc, torch.cat(logits), labelled(seen), ranks=ranks))
    metrics["length_only_accuracy"] = length_only_accuracy(
        *lengths(labelled(spread(learned, _MOST_MEASURED))), *lengths(labelled(told))
    )
    if disc.sees_pictures:
        metrics |= looking(disc, config, told, ranks)
    metrics["num_questions"] = float(len({pair.sample.id for pair in held_out} - rejected.keys()))
    return {f"held_out/{name}": value for name, value in present(metrics).items()}
