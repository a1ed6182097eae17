"""`pretrain-disc`: teach the discriminator who said what, before the loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import torch
from pydantic import JsonValue

from rilctl.algorithms.disc_metrics import length_only_accuracy
from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import input_entry
from rilctl.artifacts.runs import Run
from rilctl.config.fields import ModelConfig, semantic_config
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.batches import batches
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ArtifactError, RowError
from rilctl.models.discriminator import Discriminator, DiscriminatorCard, DiscriminatorRow, normalise
from rilctl.models.loaded.devices import pick_device, pick_num_workers
from rilctl.models.prompts.cache import PromptCache
from rilctl.models.prompts.encode import encode_response
from rilctl.reporting.registry import shown
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.schemas.records import RejectedRecord, ResponseRecord
from rilctl.stages.pretrain_disc.student_responses import sample_student
from rilctl.stages.shared.checkpoints import Checkpoints
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.disc_update import LabelledRows, health, score, update_discriminator
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
from rilctl.stages.shared.ranked import asked_to_stop, join_ranks, leave_if_asked, open_ranked_run
from rilctl.stages.shared.run_log import RunLog


@dataclass(frozen=True)
class Pair:
    """A student's and a teacher's response to one question."""

    sample: Sample
    student_text: str
    teacher_text: str


def run(context: StageContext) -> StageResult:
    """Sample the student, train the discriminator, report on held-out questions."""
    with join_ranks(context, _config(context).engine) as ranks:
        return _run(context, _config(context), ranks)


def _run(context: StageContext, config: PretrainDiscConfig, ranks: Ranks) -> StageResult:
    student, student_entry = find_student(context, config.student, after="pretrain-disc")
    cache_path = find_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
    data = load_data(context)
    inputs = [student_entry, data_entry(data), input_entry("teacher-cache", cache_path)]
    given = config.responses and find_artifact(context, config.responses, "pretrain-disc", "responses")
    if given:
        inputs.append(input_entry("responses", given))
    semantic: dict[str, JsonValue] = {"pretrain-disc": semantic_config(config), "student": semantic_config(student)}
    roles: dict[str, ArtifactKind] = {"discriminator": "discriminator"}
    if not given:
        roles["responses"] = "responses"
    with open_ranked_run(
        context, ranks, verb="pretrain-disc", semantic=semantic, inputs=inputs, roles=roles
    ) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
        with ranks.together():
            artifact_run.refuse_mixture(resumes=not (artifact_run.path / "discriminator" / MANIFEST).exists())
        if config.engine.num_threads:
            torch.set_num_threads(config.engine.num_threads)
        teacher = read_responses(context, cache_path, data.samples)
        rejected = list(data.rejected)
        outputs: dict[str, ArtifactSummary] = {}
        if given:
            students = read_responses(context, given, data.samples)
        else:
            samples = [sample for sample in data.samples if sample.id in teacher]
            with phase("pretrain-disc", "rollouts"):
                students, bad = sample_student(context, config, student, samples, ranks)
            rejected += bad
            with ranks.together():
                if ranks.is_main:
                    writer = artifact_run.writer("responses", role="responses")
                    writer.write_rows(row for rows in students.values() for row in rows)
                    writer.write_rejected(rejected)
                    outputs["responses"] = writer.commit()
        pairs = _pairs(data.samples, students, teacher)
        if config.input == "image+question+response":
            pairs = _readable(pairs, rejected)
        disc, metrics = _train(context, config, student, pairs, artifact_run, ranks)
        with disc.vlm.sharding.whole(), ranks.together():
            if ranks.is_main:
                writer = artifact_run.writer("discriminator", role="discriminator")
                disc.save(writer.staging())
                writer.write_rejected(rejected)
                outputs = {"discriminator": writer.commit(metrics=metrics)} | outputs
                artifact_run.clear_resume()
    return StageResult(outputs, num_rejected=len(rejected), summary=dict(metrics))


def _config(context: StageContext) -> PretrainDiscConfig:
    return context.recipe.pretrain_disc or PretrainDiscConfig()


def _pairs(
    samples: Sequence[Sample], students: dict[str, list[ResponseRecord]], teachers: dict[str, list[ResponseRecord]]
) -> list[Pair]:
    """As many of one side as of the other for every question; teachers take turns."""
    pairs = []
    for sample in samples:
        by_teacher: dict[str, list[ResponseRecord]] = {}
        for row in teachers.get(sample.id, ()):
            by_teacher.setdefault(row.source, []).append(row)
        turns = [row for turn in zip_longest(*by_teacher.values()) for row in turn if row is not None]
        pairs += [
            Pair(sample, student.text, teacher.text)
            for student, teacher in zip(students.get(sample.id, ()), turns, strict=False)
        ]
    return pairs


def _readable(pairs: Sequence[Pair], rejected: list[RejectedRecord]) -> list[Pair]:
    """Leave out the questions whose pictures can't be decoded."""
    bad: dict[str, RejectedRecord] = {}
    for sample in {pair.sample.id: pair.sample for pair in pairs}.values():
        try:
            for image in sample.images:
                image.load()
        except RowError as error:
            bad[sample.id] = RejectedRecord.of(sample.id, "student", error)
    rejected += bad.values()
    return [pair for pair in pairs if pair.sample.id not in bad]


def _train(
    context: StageContext,
    config: PretrainDiscConfig,
    student: ModelConfig,
    pairs: Sequence[Pair],
    artifact_run: Run,
    ranks: Ranks,
) -> tuple[Discriminator, dict[str, float]]:
    device = pick_device(config.engine.device)
    with phase("pretrain-disc", "loading"):
        vlm = load_learner(
            context,
            student,
            config.engine,
            config.lora,
            adapter="discriminator",
            seed=config.seed,
            device=device,
            ranks=ranks,
        )
        refuse_changed(vlm, artifact_run.inputs, ranks)
    card = DiscriminatorCard(input=config.input, loss=config.loss, base_digest=vlm.digest, lora=config.lora)
    num_workers = pick_num_workers(config.engine.num_workers, device)
    prompts = PromptCache(vlm, num_workers=num_workers, warn=context.reporter.warn)
    disc = Discriminator(vlm, card, seed=config.seed, prompts=prompts)
    held_out = [pair for pair in pairs if _is_held_out(pair, config)]
    learned = [pair for pair in pairs if not _is_held_out(pair, config)]
    if not held_out or not learned:
        raise ArtifactError(
            f"{len(pairs)} response pairs can't be split by question into training and held-out ones",
            hint="use more questions, or another `pretrain-disc.held_out_share`",
        )
    pairs_per_step = max(1, config.rows_per_step // 2)
    num_steps = config.steps_for(len(learned), pairs_per_step)
    with phase("pretrain-disc", "loading"):
        if config.lora:
            open_frozen([vlm], config.engine, ranks=ranks)
        engine = open_training(disc, config.optim, config.engine, num_steps=num_steps, ranks=ranks)
    log, engines = RunLog(artifact_run, ranks), {"discriminator": engine}
    checkpoints = Checkpoints(
        artifact_run.resume_dir, engines, StrictModel, log.files, ranks=ranks, say=context.reporter.say
    )
    budget_tokens = config.engine.tokens_per_micro_batch
    with prompts, ranks.training(), checkpoints, log.running():
        checkpoint = checkpoints.load(num_steps)
        step = checkpoint[0] if checkpoint else 0
        context.reporter.begin("pretrain-disc", total=num_steps, unit="steps", done=step)
        for picks, upcoming in pairwise(batches(len(learned), pairs_per_step, config.seed, step)):
            if step == num_steps:
                break
            step += 1
            soon = ranks.share(upcoming) if step < num_steps else []
            _expect(disc, [learned[pick] for pick in (*ranks.share(picks), *soon)])
            batch = _labelled([learned[pick] for pick in ranks.share(picks)])
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
        return disc, _held_out_report(disc, learned, held_out, pairs_per_step, budget_tokens, ranks)


def _expect(disc: Discriminator, pairs: Sequence[Pair]) -> None:
    disc.prompts.expect(disc.shown(row) for row in _labelled(pairs).rows)


def _is_held_out(pair: Pair, config: PretrainDiscConfig) -> bool:
    return row_seed("held-out", config.seed, pair.sample.id) < config.held_out_share * 2**63


def _labelled(pairs: Sequence[Pair]) -> LabelledRows:
    """Each pair is a group: its student's row, then its teacher's."""
    rows = [
        DiscriminatorRow(pair.sample.question, pair.sample.images, text)
        for pair in pairs
        for text in (pair.student_text, pair.teacher_text)
    ]
    return LabelledRows(rows, [True, False] * len(pairs), [i for i in range(len(pairs)) for _ in range(2)])


def _held_out_report(
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
    labelled = [_labelled(part) for part in ranks.padded(parts, [])]
    logits_N = torch.cat([score(disc, part, budget_tokens=budget_tokens, ranks=ranks) for part in labelled])
    batch = _labelled(held_out)
    metrics: dict[str, float | None] = dict(health(disc, logits_N, _labelled(own).is_student, ranks=ranks))
    metrics["length_only_accuracy"] = length_only_accuracy(*lengths(_labelled(learned)), *lengths(batch))
    metrics["num_questions"] = float(len({pair.sample.id for pair in held_out}))
    return {f"held_out/{name}": value for name, value in present(metrics).items()}
