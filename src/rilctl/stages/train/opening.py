"""What a run needs, opened: the models and their optimizers, the rollout engine, the cached teachers."""

from collections.abc import Callable, Mapping

from rilctl.artifacts.runs import Run
from rilctl.config.train import TrainConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.training.open import open_frozen, open_training
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.torch_engine import TorchTraining
from rilctl.models.shared_prefix.kept import KeptPrefix
from rilctl.rewards.base import Score
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.pulse import Pulse
from rilctl.stages.train.asking import open_asker
from rilctl.stages.train.disc_step import DiscStep
from rilctl.stages.train.groups import GroupMaker
from rilctl.stages.train.inputs import TrainInputs, prepaid_verdicts, teacher_rows
from rilctl.stages.train.loop import Loop
from rilctl.stages.train.placement import Trained, Turns
from rilctl.stages.train.policy_update import PolicyUpdate
from rilctl.stages.train.roles import Roles, load_roles
from rilctl.stages.train.rollout_log import RolloutLog
from rilctl.stages.train.sampled import SampledSteps
from rilctl.stages.train.step import Learner, TrainingStep
from rilctl.stages.train.taught import TaughtRows, taught_responses
from rilctl.stages.train.verdicts import JudgeAsker


def open_loop(
    context: StageContext,
    config: TrainConfig,
    inputs: TrainInputs,
    judge: JudgeAsker,
    artifact_run: Run,
    ranks: Ranks,
    budget_tokens: int | None = None,
) -> Loop:
    """Load everything that a run needs. Collective.

    Args:
        context: the stage's surroundings.
        config: the `[train]` table.
        inputs: what the run is made from.
        judge: says what is right.
        artifact_run: where it writes.
        ranks: this process among those that train.
        budget_tokens: response tokens that end the run; None: steps do.
    """
    with ranks.together():
        scores = {name: reward.open(context.base_dir) for name, reward in config.rewards.own.items()}
    with phase("train", "loading"):
        roles = load_roles(context, config, inputs, ranks)
        with ranks.together():
            prepaid = prepaid_verdicts(context, inputs.verdicts)
            teachers, samples = teacher_rows(context, config, inputs, roles.policy)
            taught = TaughtRows(
                taught_responses(context, config, inputs, roles.policy, prepaid), config, roles.prompts, ranks
            )
        learner = make_learner(config, roles, judge, prepaid, scores, ranks, check_stop=context.check_stop)
    pulse = Pulse(context, hears=ranks.size == 1)
    generation = open_rollouts(
        roles.policy,
        roles.prompts,
        config.generation,
        context.base_dir,
        kept=learner.policy_update.kept,
        warn=context.reporter.warn,
        check_stop=context.check_stop,
        between_tokens=pulse,
        rank=ranks.rank,
        num_ranks=ranks.size,
    )
    stored = SampledSteps(artifact_run.resume_dir, rank=ranks.rank)
    asker = open_asker(generation, stored, ranks, lambda: roles.policy.sharding.whole())  # set by training
    groups = GroupMaker(config, asker, roles.prompts, teachers, ranks, roles.teacher)
    step = TrainingStep(groups, learner, RolloutLog(artifact_run.resume_dir), taught, pulse)
    return Loop(context, config, inputs, artifact_run, step, samples, budget_tokens)


def make_learner(
    config: TrainConfig,
    roles: Roles,
    judge: JudgeAsker,
    prepaid: Mapping[str, bool],
    scores: Mapping[str, Score],
    ranks: Ranks,
    *,
    check_stop: Callable[[], object] = lambda: None,
) -> Learner:
    """Give policy and discriminator an optimizer each, and where they take turns on the device, the means to.

    Args:
        config: the `[train]` table.
        roles: the models.
        judge: says what is right.
        prepaid: verdicts on teachers' responses, by response digest.
        scores: the recipe's own rewards.
        ranks: this process among those that train.
        check_stop: called while a step waits for verdicts; may raise to stop.
    """
    policy, disc = roles.policy, roles.disc
    open_frozen(roles.frozen(), config.engine, ranks=ranks)
    policy_steps = config.num_steps * config.algorithm.policy_updates
    policy_engine = open_training(policy, config.optim, config.engine, num_steps=policy_steps, ranks=ranks)
    teacher = roles.teacher.vlm if roles.teacher is not None else None
    update = PolicyUpdate(config, policy, policy_engine, roles.reference, ranks, _kept_prefix(config, roles), teacher)
    if disc is None:
        return Learner(config, update, None, judge, prepaid, scores, ranks, check_stop=check_stop)
    disc_steps = config.num_steps * max(1, config.algorithm.disc_updates)
    disc_optim = config.discriminator.optim
    disc_engine = open_training(disc, disc_optim, config.engine, num_steps=disc_steps, ranks=ranks)
    turns = None
    if roles.disc_waits:  # DeepSpeed offloads instead
        assert isinstance(policy_engine, TorchTraining) and isinstance(disc_engine, TorchTraining)
        waits = Trained(disc, disc_engine.optimizer)
        turns = Turns(policy.device, Trained(policy.model, policy_engine.optimizer), waits)
    return Learner(
        config, update, DiscStep(config, disc, disc_engine, ranks), judge, prepaid, scores, ranks, turns, check_stop
    )


def _kept_prefix(config: TrainConfig, roles: Roles) -> KeptPrefix | None:
    """Means to keep the prompts from the rollouts to the update, where the policy stays on the device in between."""
    if not config.may_keep_prompts or roles.disc_waits or not roles.policy.family.shares_prompts:
        return None
    return KeptPrefix(
        roles.policy,
        budget_tokens=config.engine.tokens_per_micro_batch,
        num_rows=config.num_policy_rows,
        response_tokens=config.sampling.max_new_tokens,
    )
