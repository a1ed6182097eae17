"""The discriminator's own training, before it meets the policy."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch

from rilctl.algorithms.disc_metrics import length_only_accuracy
from rilctl.artifacts.runs import Run
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.batches import batches
from rilctl.engines.training.ranks import Ranks
from rilctl.models.discriminator import Discriminator, normalise
from rilctl.models.prompts.encode import encode_response
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.stages.pretrain_disc.pairs import Pair, labelled
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.disc_update import LabelledRows, health, score, update_discriminator
from rilctl.stages.shared.inputs import present
from rilctl.stages.shared.learning import open_optimizer
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import asked_to_stop, leave_if_asked
from rilctl.stages.shared.run_log import RunLog

_TELLING, _NEAR = 0.9, 0.02
"""From which accuracy on a rule is called telling, and how much better than it a discriminator must be."""


def train(
    context: StageContext,
    config: PretrainDiscConfig,
    disc: Discriminator,
    learned: Sequence[Pair],
    held_out: Sequence[Pair],
    artifact_run: Run,
    ranks: Ranks,
) -> dict[str, float]:
    """All steps that are left, then the report on questions that it never saw. Collective."""
    pairs_per_step = config.pairs_per_step
    num_steps = config.steps_for(len(learned), pairs_per_step)
    engine = open_optimizer("pretrain-disc", disc, config.optim, config.engine, num_steps=num_steps, ranks=ranks)
    log, engines = RunLog(context, artifact_run, ranks), {"discriminator": engine}
    checkpoints = Checkpoints(
        artifact_run.resume_dir, engines, StrictModel, log.files, ranks=ranks, say=context.reporter.say
    )
    budget_tokens = config.engine.tokens_per_micro_batch
    with disc.prompts, ranks.training(), checkpoints, log.running():
        checkpoint = checkpoints.load(num_steps)
        step = checkpoint[0] if checkpoint else 0
        context.reporter.begin("pretrain-disc", total=num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(learned), pairs_per_step, config.seed, step)):
            if step == num_steps:
                break
            step += 1
            soon = ranks.share(upcoming) if step < num_steps else []
            _expect(disc, [learned[pick] for pick in (*ranks.share(picks), *soon)])
            batch = labelled([learned[pick] for pick in ranks.share(picks)])
            with phase("pretrain-disc", "update"):
                logits_N, report = update_discriminator(
                    disc, engine, batch, optim=config.optim, budget_tokens=budget_tokens, ranks=ranks
                )
            report |= health(disc, logits_N, batch.is_student, ranks=ranks)
            metrics = {f"disc/{name}": value for name, value in report.items()}
            log.write(step, metrics)
            context.reporter.advance(metrics=shown("pretrain-disc", metrics))
            signal_number = asked_to_stop(context, ranks)
            checkpoints.after_step(
                step,
                StrictModel,  # nothing else is remembered
                is_due=step % config.checkpoint_every == 0,
                is_last=step == num_steps or bool(signal_number),
            )
            leave_if_asked(context, signal_number)
        context.reporter.end()
        return held_out_report(disc, learned, held_out, pairs_per_step, budget_tokens, ranks)


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
    disc.prompts.expect(disc.shown(row) for row in labelled(pairs).rows)


def held_out_report(
    disc: Discriminator,
    learned: Sequence[Pair],
    held_out: Sequence[Pair],
    pairs_at_once: int,
    budget_tokens: int,
    ranks: Ranks,
) -> dict[str, float]:
    """How well it tells apart responses to questions it never saw, beside a rule that sees only their length."""

    def lengths(batch: LabelledRows) -> tuple[torch.Tensor, torch.Tensor]:
        num_tokens = [len(encode_response(disc.vlm, normalise(row.text), stopped=False)) for row in batch.rows]
        return torch.tensor(num_tokens), torch.tensor(batch.is_student, dtype=torch.float32)

    own = ranks.share(held_out)
    _expect(disc, own)
    parts = [own[start : start + pairs_at_once] for start in range(0, len(own), pairs_at_once)]
    batches_of = [labelled(part) for part in ranks.padded(parts, [])]
    logits_N = torch.cat([score(disc, part, budget_tokens=budget_tokens, ranks=ranks) for part in batches_of])
    batch = labelled(held_out)
    metrics: dict[str, float | None] = dict(health(disc, logits_N, labelled(own).is_student, ranks=ranks))
    metrics["length_only_accuracy"] = length_only_accuracy(*lengths(labelled(learned)), *lengths(batch))
    metrics["num_questions"] = float(len({pair.sample.id for pair in held_out}))
    return {f"held_out/{name}": value for name, value in present(metrics).items()}
