"""`pretrain-disc`: teach the discriminator who said what, before the loop."""

from pydantic import JsonValue

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import input_entry
from rilctl.config.fields import semantic_config
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ConfigError, RowError
from rilctl.models.discriminator import Discriminator, DiscriminatorCard
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import check_text
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary
from rilctl.stages.pretrain_disc.loop import length_warning, train
from rilctl.stages.pretrain_disc.pairs import pair_up, split
from rilctl.stages.shared.cached_responses import open_responses
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import (
    data_entry,
    find_artifact,
    find_student,
    load_data,
    up_to_date,
)
from rilctl.stages.shared.learning import open_trained
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import join_ranks, open_ranked_run
from rilctl.stages.shared.student_responses import Snapshot, sample_student


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
        teacher = open_responses(context, cache_path, data.samples)
        rejected, outputs = list(data.rejected), dict[str, ArtifactSummary]()
        if given:
            students = open_responses(context, given, data.samples)
        else:
            samples = [sample for sample in data.samples if sample.id in teacher]
            with phase("pretrain-disc", "rollouts"):
                own = sample_student(context, snapshot(config), student, samples, rejected, artifact_run, ranks)
            students, rejected, outputs = own.responses, [*own.rejected], own.outputs
        pairs = pair_up(data.samples, students, teacher)
        vlm, prompts = open_trained(
            context,
            "pretrain-disc",
            student,
            config.engine,
            config.lora,
            artifact_run.inputs,
            ranks,
            adapter="discriminator",
            seed=config.seed,
        )
        if config.prompt is not None:
            _check_prompt(vlm, config.prompt)
        card = DiscriminatorCard(
            input=config.input, prompt=config.prompt, loss=config.loss, base_digest=vlm.digest, lora=config.lora
        )
        disc = Discriminator(vlm, card, seed=config.seed, prompts=prompts)
        learned, held_out = split(pairs, config)
        metrics, bad = train(context, config, disc, learned, held_out, artifact_run, ranks)
        rejected += bad
        if warning := length_warning(metrics):
            context.reporter.warn(warning)
        with disc.vlm.sharding.whole(), ranks.together():
            if ranks.is_main:
                writer = artifact_run.writer("discriminator", role="discriminator")
                disc.save(writer.staging())
                writer.write_rejected(rejected)
                outputs = {"discriminator": writer.commit(metrics=metrics)} | outputs
                artifact_run.clear_resume()
    return StageResult(outputs, num_rejected=len(rejected), summary=dict(metrics))


def _check_prompt(vlm: Vlm, prompt: str) -> None:
    """Raise `ConfigError` where no row could be asked with it."""
    try:
        check_text(vlm, prompt)
    except RowError as error:
        raise ConfigError(f"`pretrain-disc.prompt`: {error.message}", hint="say it without the token") from error


def _config(context: StageContext) -> PretrainDiscConfig:
    return context.recipe.pretrain_disc or PretrainDiscConfig()


def snapshot(config: PretrainDiscConfig) -> Snapshot:
    """How the student is asked."""
    return Snapshot(config.num_responses, config.sampling, config.seed, config.generation)
