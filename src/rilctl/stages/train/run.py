"""`train`: the RIL loop (Algorithm 2) and its baselines."""

from contextlib import ExitStack

from pydantic import JsonValue

from rilctl.config.fields import semantic_config
from rilctl.config.judge import RuleJudgeConfig
from rilctl.config.train import TrainConfig
from rilctl.engines.judging.open import judge_identity
from rilctl.engines.training.ranks import Ranks
from rilctl.reporting.registry import headline
from rilctl.schemas.manifest import ArtifactKind
from rilctl.stages.shared.checkpoints import has_checkpoint
from rilctl.stages.shared.context import StageContext, StageResult
from rilctl.stages.shared.inputs import up_to_date
from rilctl.stages.shared.judging import judge_entries
from rilctl.stages.shared.learning import refuse_changed
from rilctl.stages.shared.ranked import join_ranks, open_ranked_run
from rilctl.stages.shared.token_budget import token_budget
from rilctl.stages.train.continuing import find_continued, keep_training
from rilctl.stages.train.inputs import find_inputs, input_entries, reward_entries
from rilctl.stages.train.judges import opened_asker
from rilctl.stages.train.kept import early_student
from rilctl.stages.train.opening import open_loop


def run(context: StageContext) -> StageResult:
    """Train, then write the students, the discriminator and the rollouts."""
    config = _config(context)
    with join_ranks(context, config.engine, waits_s=config.verdict_wait_s) as ranks:
        return _run(context, config, ranks)


def _run(context: StageContext, config: TrainConfig, ranks: Ranks) -> StageResult:
    inputs = find_inputs(context, config)
    judge = context.recipe.judge or RuleJudgeConfig()
    semantic: dict[str, JsonValue] = {
        "train": semantic_config(config),
        "student": semantic_config(inputs.student),
        "judge": semantic_config(judge.model_copy(update={"source": None})),
        "judged by": judge_identity(judge),
    }
    roles: dict[str, ArtifactKind] = {"student": "student"}
    if inputs.validation.samples:
        roles["best-student"] = "student"
    early = [early_student(step) for step in config.keep.students_of(config.num_steps)]
    roles |= dict.fromkeys(early, "student")
    if config.algorithm.uses_discriminator:
        roles["discriminator"] = "discriminator"
    roles["rollouts"] = "rollouts"
    own_code = reward_entries(config.rewards, context.base_dir)
    budget, matched = token_budget(context, config.num_tokens, config.match_tokens)
    entries = [*input_entries(context, inputs), *judge_entries(context, judge), *own_code, *matched]
    continued = None
    if config.continue_from is not None:
        continued = find_continued(context, config, config.continue_from, semantic, entries)
        entries.append(continued.entry)
    with open_ranked_run(
        context, ranks, verb="train", semantic=semantic, inputs=entries, roles=roles, optional={"best-student", *early}
    ) as artifact_run:
        done = artifact_run.finished()
        if done is not None:
            return up_to_date(done)
        with ranks.together():
            artifact_run.refuse_mixture(resumes=has_checkpoint(artifact_run.resume_dir))
            if continued is not None and ranks.is_main and not has_checkpoint(artifact_run.resume_dir):
                continued.put_into(artifact_run)
                continued.say(context.reporter, config)
        with ExitStack() as held:
            asker = held.enter_context(opened_asker(context, judge, ranks))
            loop = open_loop(context, config, inputs, asker, artifact_run, ranks, budget)
            refuse_changed(loop.vlm, entries, ranks)
            loop.run()
        if config.keep.training:
            with ranks.together():
                if ranks.is_main:
                    keep_training(artifact_run)
        outputs = loop.write(roles)
        with ranks.together():
            if ranks.is_main:
                artifact_run.clear_resume()
        num_rejected = len(inputs.data.rejected) + len(loop.state.rejected)
        return StageResult(outputs, num_rejected=num_rejected, summary=dict(headline(loop.summary())))


def _config(context: StageContext) -> TrainConfig:
    return context.recipe.train or TrainConfig()
