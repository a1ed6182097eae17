"""Of a step of `train`: what rewards it gave, in which groups, to responses of which length."""

from rilctl.reporting.known_metrics.shared import WITH_DISC
from rilctl.reporting.metric import Metric, Panel

_WITH_JUDGE = "with an answer reward"

REWARDS: tuple[Metric, ...] = (
    Metric(
        "reward/answer_student",
        "share",
        "student rows",
        "judged right, among those with a verdict",
        side="student",
        when=_WITH_JUDGE,
        bar=("train",),
        headline=True,
        panel=Panel(2, "answer reward", "rollouts judged right"),
    ),
    Metric(
        "reward/similarity_student",
        "share",
        "student rows",
        "that the discriminator takes for a teacher's; how sure it is, where the reward is `graded`",
        side="student",
        when=WITH_DISC,
        bar=("train",),
        headline=True,
        panel=Panel(1, "similarity reward", "students taken for a teacher"),
    ),
    Metric(
        "reward/NAME_student",
        "",
        "student rows",
        "a reward that `[train.rewards]` names, of the rows that it scored",
        side="student",
        when="with a reward of one's own",
        bar=("train",),
        headline=True,
    ),
    Metric(
        "reward/NAME_teacher",
        "",
        "teacher rows",
        "the same",
        side="teacher",
        when="with a reward of one's own and teacher rows",
    ),
    Metric("reward/answer_teacher", "share", "teacher rows", "the same", side="teacher", when="with teacher rows"),
    Metric("reward/similarity_teacher", "share", "teacher rows", "the same", side="teacher", when=WITH_DISC),
    Metric("reward/advantage_student", "", "student rows", "advantage in the policy's group", side="student"),
    Metric(
        "reward/advantage_teacher",
        "",
        "teacher rows",
        "the same",
        side="teacher",
        when="with teacher rows in the group",
    ),
    Metric("group/skipped_share", "share", "groups", "with fewer than two rewarded rows"),
    Metric(
        "group/no_truth_share",
        "share",
        "groups",
        "whose question has no ground truth: other rewards alone",
        when='with `rewards.missing_truth = "others"` and an answer reward',
    ),
    Metric("group/no_signal_share", "share", "groups", "whose advantages are all 0: nothing to learn from them"),
    Metric("response/mean_tokens", "tokens", "student rows", "length", side="student"),
    Metric(
        "response/mean_tokens_teacher", "tokens", "teacher rows", "length", side="teacher", when="with teacher rows"
    ),
    Metric("response/stopped_share", "share", "student rows", "that ended by themselves", side="student"),
    Metric(
        "response/truncated_mass",
        "share",
        "groups",
        "probability that top-p and top-k cut away; 0 while both are off, absent where vLLM samples with them",
        side="student",
    ),
)
