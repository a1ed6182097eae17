"""What several verbs read: the data set, the student, cached responses; each with its entry for lineage."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from rilctl.artifacts.layout import MANIFEST
from rilctl.artifacts.read import check_files, input_entry, read_manifest, read_rejected, resolve
from rilctl.config.cache_teacher import CacheTeacherConfig
from rilctl.config.data import DataConfig
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import Verb
from rilctl.config.registry import default_dtype
from rilctl.data.load import Likelihoods, PromptTokens, load_part, load_samples
from rilctl.data.once.stored import num_with_truth
from rilctl.data.sample import Sample, SampleSet
from rilctl.engines.generation.openai import endpoint_model_digest
from rilctl.errors import ArtifactError, ConfigError, RowError, UsageError
from rilctl.models.loaded.identity import ModelIdentity, identify
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import ModelSource, check_name, find_source
from rilctl.models.prompts.sizes import prompt_sizes
from rilctl.schemas.manifest import ArtifactKind, ArtifactSummary, InputEntry
from rilctl.schemas.records import ContextTurn
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.known_verdicts import pass_rates
from rilctl.stages.shared.likelihoods import AnswerLikelihoods
from rilctl.stages.shared.shares import refuse_share


def load_data(context: StageContext, split: Literal["train", "validation"] = "train") -> SampleSet:
    """The recipe's data set. Raises `ConfigError` where the recipe has none, `DataError` where it can't be opened."""
    config = data_config(context)
    samples = load_samples(
        config,
        base_dir=context.base_dir,
        split=split,
        pass_rates=_pass_rates(context, config),
        prompt_tokens=_prompt_tokens(context, config),
        likelihoods=_likelihoods(context, config, split),
        kept=context.kept,
    )
    if split == "train":
        _say_what_was_kept(context, samples)
    return samples


def load_part_of_data(context: StageContext, most_rows: int) -> tuple[SampleSet, SampleSet]:
    """For a plan: the rows of training and of validation, or some of them; see `load_part`. Raises as `load_data`."""
    config = data_config(context)
    train, validation = load_part(
        config,
        base_dir=context.base_dir,
        most_rows=most_rows,
        pass_rates=_pass_rates(context, config),
        prompt_tokens=_prompt_tokens(context, config),
        likelihoods=_likelihoods(context, config, "train"),
        kept=replace(context.kept, writes=False),
    )
    _say_what_was_kept(context, train)
    return train, validation


def data_config(context: StageContext) -> DataConfig:
    """The `[data]` table. Raises `ConfigError` where the recipe has none."""
    if context.recipe.data is None:
        raise ConfigError(
            "the recipe has no [data] table", hint="say where questions come from, e.g. `--set data.type=digits`"
        )
    return context.recipe.data


def _pass_rates(context: StageContext, config: DataConfig) -> dict[str, float] | None:
    if config.select.pass_rate is None:
        return None
    verdicts = resolve(context.base_dir / config.select.pass_rate.verdicts, "verdicts")
    return pass_rates(context, verdicts)


def _prompt_tokens(context: StageContext, config: DataConfig) -> PromptTokens | None:
    return None if config.select.max_prompt_tokens is None else _student_tokens(context)


def _likelihoods(context: StageContext, config: DataConfig, split: str) -> Likelihoods | None:
    """How likely the student finds the answers, where rows are chosen by it; a plan asks nobody."""
    chosen = config.select.likelihood
    if chosen is None or split != "train":
        return None
    student = name_student(context, chosen.student, after="sft")
    if context.to_score is None:
        return AnswerLikelihoods(context, student, chosen.tokens_per_batch)
    to_score = context.to_score

    def count(samples: Sequence[Sample]) -> list[float | RowError | None]:
        to_score[student.model] = sum(sample.has_truth for sample in samples)
        return [0.0 if sample.has_truth else None for sample in samples]

    return count


def _student_tokens(context: StageContext) -> PromptTokens:
    """Counts prompts as the recipe's student reads them; of one on the hub, no weights are fetched."""
    student = context.recipe.student
    if student is None:
        raise ConfigError(
            "`data.select.max_prompt_tokens` counts tokens as the [student] does, and the recipe has none",
            hint="name a [student], or leave the key out",
        )
    source = find_source(student, base_dir=context.base_dir, reads_weights=False)
    encoder = Encoder(load_processor(source), source)
    return lambda samples: [None if size is None else size.tokens for size in prompt_sizes(encoder, samples)]


def data_entry(samples: SampleSet, role: str = "data") -> InputEntry:
    """Lineage of a data set."""
    return InputEntry(role=role, kind="data", name=samples.name, digest=samples.digest)


def name_student(context: StageContext, explicit: str | None, *, after: Verb) -> ModelConfig:
    """Which student a verb starts from; its weights are not looked at, and nothing is downloaded.

    Args:
        context: the stage's surroundings.
        explicit: what the verb's table names; None: the `[sft]` output if the recipe has that table, else `[student]`.
        after: the verb that asks, for messages.

    Raises:
        ArtifactError: the upstream artifact isn't there yet.
        ConfigError: the recipe names no student at all.
        UsageError: nothing of that name.
    """
    base = context.recipe.student
    if explicit is None and after != "sft" and context.recipe.sft is not None:
        explicit = str(resolve(context.upstream("sft"), "student"))
    if explicit is not None:
        dtype = base.dtype or default_dtype(base.model) if base is not None else default_dtype(explicit)
        sizes = base or ModelConfig(model=explicit)
        config = ModelConfig(
            model=explicit,
            dtype=dtype,
            max_image_tokens=sizes.max_image_tokens,
            min_image_tokens=sizes.min_image_tokens,
            system=sizes.system,
        )
    elif base is not None:
        config = base.model_copy(update={"dtype": base.dtype or default_dtype(base.model)})
    else:
        raise ConfigError("the recipe has no [student] table", hint="e.g. `--set student.model=qwen3b`")
    check_name(config.model, base_dir=context.base_dir)
    return config


def find_student(context: StageContext, explicit: str | None, *, after: Verb) -> tuple[ModelConfig, InputEntry]:
    """Which student a verb starts from, and its lineage. Raises as `name_student` and `model_entry` do."""
    config = name_student(context, explicit, after=after)
    return config, model_entry(context, "student", config)


def model_entry(context: StageContext, role: str, config: ModelConfig) -> InputEntry:
    """Lineage of a model; all bytes of a `student` artifact are checked.

    Raises:
        UsageError: nothing of that name.
        ModelError: a directory that is no model, or the hub has none.
        ArtifactError: an artifact of another kind, half-written or changed since it was written.
    """
    source = find_source(config, base_dir=context.base_dir)
    context.reporter.say(f"{role.replace(':', ' ')}: {source.name} ({source.family.name})")
    if not source.family.shares_prompts:
        context.reporter.warn(f"{source.name} is of a family without shared prompts: they are repeated for each row")
    source.read_texts()  # a family that can't keep the recipe's bounds says so before anything is loaded
    refuse_no_student(source)
    if (source.path / MANIFEST).is_file():
        return weights_entry(role, source.path)
    return InputEntry(role=role, kind="model", name=source.name, digest=identify(config, source).digest)


def refuse_no_student(source: ModelSource) -> None:
    """Raise `ArtifactError` for an artifact with a model's files that is no whole student."""
    if (source.path / MANIFEST).is_file():
        resolve(source.path, "student")


def endpoint_entry(context: StageContext, role: str, model: str, endpoint: EndpointConfig) -> InputEntry:
    """Lineage of a model at an endpoint; its name there is all that can be known."""
    context.reporter.say(f"{role.replace(':', ' ')}: {model} at {endpoint.host}")
    digest = endpoint_model_digest(model, endpoint)
    return InputEntry(role=role, kind="model", name=f"{model} at {endpoint.url}", digest=digest)


def weights_entry(role: str, path: Path) -> InputEntry:
    """Lineage of an artifact of weights. Raises `ArtifactError` where a byte of it was changed."""
    check_files(path)
    return input_entry(role, path)


def find_artifact(context: StageContext, explicit: str | None, upstream: Verb, kind: ArtifactKind) -> Path:
    """The artifact a verb reads: what its table names, else the upstream output. Raises `ArtifactError`."""
    path = resolve(context.base_dir / explicit if explicit else context.upstream(upstream), kind)
    context.reporter.say(f"{kind}: {path}")
    return path


def refuse_unanswered(path: Path, found: Collection[str]) -> None:
    """Raise `ArtifactError` where an artifact has responses to none of the questions."""
    if not found:
        raise ArtifactError(
            f"{path} has no response to any question of [data]", hint="were they made from this data set?"
        )


def refuse_rejected(context: StageContext, path: Path, answered: Set[str]) -> None:
    """Raise `ArtifactError` where a cache has more rejected questions than `cache-teacher.max_rejected_share` allows.

    Args:
        context: its recipe has the limit.
        path: the artifact.
        answered: ids of the questions that it has responses to.
    """
    rejected = {row.sample_id for row in read_rejected(path)}
    limit = (context.recipe.cache_teacher or CacheTeacherConfig()).max_rejected_share
    what = "questions have a rejected row"
    refuse_share(path, what, len(rejected), len(rejected | answered), limit, "cache-teacher")


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None


def present(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Metrics that could be computed."""
    return {name: value for name, value in metrics.items() if value is not None}


def refuse_other_base(student_name: str, student: ModelIdentity, base_digest: str, path: Path) -> None:
    """Raise `UsageError` unless a discriminator started from this very student."""
    if base_digest not in (student.digest, student.weights):  # older ones know its weights alone
        raise UsageError(
            f"the discriminator {path} was pretrained from another student than {student_name}: from other weights, or "
            "another template, tokenizer, processor or configuration",
            hint="run `rilctl pretrain-disc` with this student, or name the student it belongs to",
        )


def num_artifact_rows(path: Path) -> int:
    """Rows that an artifact's manifest counts."""
    return read_manifest(path).num_rows or 0


def up_to_date(outputs: dict[str, ArtifactSummary]) -> StageResult:
    """The result of a run that had been finished before."""
    num_rejected = max(read_manifest(Path(summary.path)).num_rejected for summary in outputs.values())
    return StageResult(outputs, num_rejected=num_rejected, up_to_date=True)


class AskedRow(Protocol):
    """What a row says of its question."""

    @property
    def question(self) -> str: ...  # noqa: D102 - as `ResponseRecord` has it
    @property
    def context(self) -> Sequence[ContextTurn] | None: ...  # noqa: D102
    @property
    def image_digests(self) -> list[str]: ...  # noqa: D102


def check_same(path: Path, sample: Sample, row: AskedRow) -> None:
    """Raise `ArtifactError` where a question or its pictures aren't those that were answered."""
    hint = "the data set changed since the answers were cached: run `rilctl cache-teacher` again with another `--out`"
    if (sample.question, sample.conversation.context) != (row.question, tuple(row.context or ())):
        raise ArtifactError(f"{path}: question `{sample.id}` reads differently in [data]", hint=hint)
    if sample.conversation.image_digests != row.image_digests:
        raise ArtifactError(f"{path}: the pictures of question `{sample.id}` are not those in [data]", hint=hint)


def _say_what_was_kept(context: StageContext, samples: SampleSet) -> None:
    left_out = ", ".join(f"{num} {reason}" for reason, num in sorted(samples.left_out.items()))
    num_truthless = len(samples.samples) - num_with_truth(samples.samples)
    if samples.drawn is not None:
        read, there = len(samples.drawn.numbers), samples.drawn.num_rows
        of_what = "; rows that are left out or rejected are those of all" if samples.drawn.of_usable else ""
        of_what = of_what or "; what follows is of these"
        context.reporter.say(f"data: {read:,} of {there:,} rows were read, drawn evenly{of_what}")
    context.reporter.say(
        f"data: {len(samples.samples)} questions from {samples.name}" + (f" (left out: {left_out})" if left_out else "")
    )
    if num_truthless:
        context.reporter.say(f"data: {num_truthless} questions have no ground truth")
    if samples.num_shortened:
        context.reporter.say(f"data: {samples.num_shortened} conversations lost turns to `data.max_turns`")
    for row in samples.rejected[:5]:
        context.reporter.warn(f"row `{row.sample_id}` rejected: {row.message}")
    if len(samples.rejected) > 5:
        counts = Counter(row.reason for row in samples.rejected)
        reasons = ", ".join(f"{num} {reason}" for reason, num in sorted(counts.items()))
        context.reporter.warn(f"and {len(samples.rejected) - 5} more rejected rows, in all: {reasons}")
