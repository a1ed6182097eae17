"""What `sft` learns from: the rows of the data set or of the teachers, counted alike by a plan and by a run."""

from collections.abc import Sequence
from pathlib import Path

from rilctl.artifacts.read import input_entry
from rilctl.config.judge import RuleJudgeConfig
from rilctl.config.sft import SftConfig
from rilctl.data.sample import Sample
from rilctl.errors import ArtifactError, ConfigError
from rilctl.stages.sft.keeping import Kept, keep_rows
from rilctl.stages.sft.own_responses import find_own
from rilctl.stages.sft.rows import SftInputs, SftRow, counted, data_rows, teacher_rows, to_units
from rilctl.stages.shared.cached_responses import open_responses
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import data_entry, find_artifact, load_data
from rilctl.stages.shared.known_verdicts import known_verdicts
from rilctl.stages.shared.other_judge import name_other_judge


def find_rows(context: StageContext, config: SftConfig, validation: Sequence[Sample]) -> SftInputs:
    """Find and read everything but the student's own responses. Raises what finders and `kept_of_teachers` raise."""
    data = load_data(context)
    entries, counts = [data_entry(data)], dict[str, float]()
    if config.responses == "data":
        rows, held_out = data_rows(data.samples), data_rows(validation, held_out=True)
        if not rows:
            raise ConfigError(
                f"no question of {data.name} has a response to learn",
                hint='`sft.responses = "teacher-cache"` learns what teachers answered',
            )
    else:
        cache = find_artifact(context, config.teacher_cache, "cache-teacher", "teacher-cache")
        entries.append(input_entry("teacher-cache", cache))
        verdicts = find_artifact(context, config.verdicts, "judge", "verdicts") if config.uses_verdicts else None
        if verdicts is not None:
            entries.append(input_entry("verdicts", verdicts))
        learned, of_validation = kept_of_teachers(context, config, cache, verdicts, data.samples, validation)
        context.reporter.say(f"responses: {learned.line}")
        rows, held_out = learned.rows, of_validation.rows
        counts = counted(len(rows), learned.left_out) if config.uses_verdicts else {}
    wanted, own = config.preference, None
    if wanted is not None and wanted.responses is not None:
        own = find_own(context, wanted.responses)
        entries.append(input_entry(own[1], own[0]))
    units, validated = (to_units(each, whole_conversations=config.whole_conversations) for each in (rows, held_out))
    samples_own = wanted is not None and own is None
    return SftInputs(units, validated, data.samples, entries, data.rejected, counts, own, samples_own)


def kept_of_teachers(
    context: StageContext,
    config: SftConfig,
    cache: Path,
    verdicts: Path | None,
    samples: Sequence[Sample],
    validation: Sequence[Sample] = (),
) -> tuple[Kept, Kept]:
    """The teachers' responses that are learned, and those to held-out questions that are validated on.

    Args:
        context: the stage's surroundings.
        config: the `[sft]` table.
        cache: the `teacher-cache` artifact.
        verdicts: the `verdicts` artifact; None: it doesn't matter which responses are right.
        samples: the questions.
        validation: the held-out ones.

    Raises:
        ArtifactError: an artifact is unusable, or the verdicts are on other responses.
        ConfigError: no response is left.
    """
    responses = open_responses(context, cache, (*samples, *validation))
    if verdicts is not None:
        name_other_judge(context, verdicts)
    known = known_verdicts(context, verdicts) if verdicts is not None else None
    rows = teacher_rows(samples, responses, known)
    if verdicts is not None:
        truthless = {sample.id for sample in samples if not sample.has_truth}
        _refuse_unjudged(context, verdicts, cache, [row for row in rows if row.sample_id not in truthless])
    parts = [
        keep_rows(each, keep=config.keep, difficulty=config.difficulty, seed=config.seed)
        for each in (rows, teacher_rows(validation, responses, known, held_out=True))
    ]
    if not parts[0].rows:
        hint = "cache the teachers' answers again"
        if verdicts is not None:
            hint = "ask stronger teachers or for more responses, or let `sft.keep` or `sft.difficulty` leave out less"
        raise ConfigError(f"{cache} has no response to learn: {parts[0].line}", hint=hint)
    return parts[0], parts[1]


def _refuse_unjudged(context: StageContext, verdicts: Path, cache: Path, rows: Sequence[SftRow]) -> None:
    num_unjudged = sum(row.correct is None for row in rows)
    limit = (context.recipe.judge or RuleJudgeConfig()).max_rejected_share
    if num_unjudged > limit * len(rows):
        raise ArtifactError(
            f"{verdicts} has no verdict on {num_unjudged:,} of the {len(rows):,} responses of {cache} "
            f"({num_unjudged / len(rows):.1%}), over the limit of {limit:.1%}",
            hint="judge that cache (`rilctl judge`), name its verdicts, or raise `judge.max_rejected_share`",
        )
