"""From a recipe to its rehearsal: every key that makes the layout stays, everything that is large becomes small."""

from dataclasses import dataclass
from pathlib import Path

from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import OWN_DATA_VERBS, Recipe, Verb
from rilctl.config.registry import default_dtype
from rilctl.errors import ConfigError, UsageError
from rilctl.pipeline.rehearsal.asked import Server, move_servers
from rilctl.pipeline.rehearsal.draft import Draft
from rilctl.pipeline.rehearsal.engines import TRAINED, Machine, move_engines
from rilctl.pipeline.rehearsal.models import build_small
from rilctl.pipeline.rehearsal.rows import write_data
from rilctl.pipeline.rehearsal.sizes import shrink
from rilctl.pipeline.run import verbs_of


@dataclass(frozen=True)
class Rehearsal:
    """What is to be done.

    Args:
        draft: the recipe that is run, and what it replaces.
        verbs: in order.
        num_ranks: processes of each verb that trains on DeepSpeed; 1: no launcher.
        ranked: those verbs.
        servers: started when the first verb needs them.
    """

    draft: Draft
    verbs: tuple[Verb, ...]
    num_ranks: int
    ranked: tuple[Verb, ...]
    servers: tuple[Server, ...]


def derive(recipe: Recipe, name: str, folder: Path, base_dir: Path, machine: Machine, gpus: int | None) -> Rehearsal:
    """Make a rehearsal's recipe, models and data.

    Args:
        recipe: what is to be rehearsed.
        name: names its folder under the workspace root.
        folder: of the rehearsal; models and data are written there.
        base_dir: folder that the recipe's relative paths start from.
        machine: where it is rehearsed.
        gpus: processes that train; None: the recipe's `plan.num_gpus`, or fewer where the machine is small.

    Raises:
        ConfigError: the recipe names no student.
        UsageError: it has no verb's table, or DeepSpeed isn't installed.
    """
    verbs = verbs_of(recipe)
    if recipe.student is None:
        raise ConfigError("the recipe has no [student] table", hint="a rehearsal needs its architecture")
    draft = Draft.of(recipe)
    ranked = tuple(verb for verb in verbs if verb in TRAINED and draft.get(f"{verb}.engine.type") == "deepspeed")
    if ranked and not machine.has_deepspeed:
        raise UsageError(
            f"{', '.join(ranked)} train on DeepSpeed, and it isn't installed",
            hint="install it with `DS_BUILD_OPS=0 pip install 'rilctl[deepspeed]'`",
        )
    num_ranks = _num_ranks(draft, recipe.plan.num_gpus, machine, gpus) if ranked else 1
    shrink(draft, num_ranks)
    _rewards(draft, recipe)
    draft.put("workspace.root", "runs")
    for verb in VERB_INPUTS:  # artifacts of the real runs are too large, and not this recipe's
        draft.drop(verb)
    _models(draft, recipe, folder, base_dir)
    _own_data(draft)
    write_data(draft, recipe.data, folder, base_dir)
    move_engines(draft, machine)
    servers = tuple(move_servers(draft, recipe, name, machine))
    _evaluation(draft)
    return Rehearsal(draft, verbs, num_ranks, ranked, servers)


VERB_INPUTS = (
    "cache-teacher.imports",
    "judge.source",
    "sft.student",
    "sft.teacher_cache",
    "sft.match_tokens",
    "pretrain-disc.student",
    "pretrain-disc.teacher_cache",
    "pretrain-disc.responses",
    "train.student",
    "train.teacher_cache",
    "train.discriminator_artifact",
    "train.verdicts",
    "eval.student",
    "eval.tasks",
    "eval.data_dir",
    "eval.reference",
    "eval.shard",
)
"""Keys that name artifacts or files beside `[data]`."""


def _own_data(draft: Draft) -> None:
    """A rehearsal has one small data set."""
    for verb in OWN_DATA_VERBS:
        if draft.get(f"{verb}.data") is not None:
            draft.drop(f"{verb}.data")
            draft.says_replaced(f"`[{verb}.data]` by the rows of `[data]`")
            draft.says_not_proven(f"that the rows of `[{verb}.data]` can be read")


def _num_ranks(draft: Draft, wanted: int, machine: Machine, gpus: int | None) -> int:
    num = gpus or min(wanted, machine.num_ranks)
    if num != wanted:
        draft.says_replaced(f"{wanted} training processes by {num}")
    draft.says_replaced("GPUs by CPU processes, NCCL between them by gloo")
    return num


def _rewards(draft: Draft, recipe: Recipe) -> None:
    """Leave out rewards that make no sense with responses as short as a rehearsal's."""
    for name, reward in recipe.train.rewards.own.items() if recipe.train else ():
        try:
            reward.check(draft.get("train.sampling.max_new_tokens"))
        except ValueError:
            draft.drop(f"train.rewards.{name}")
            draft.says_not_proven(f"the reward `{name}`, which asks for longer responses")


def _models(draft: Draft, recipe: Recipe, folder: Path, base_dir: Path) -> None:
    named: dict[str, ModelConfig] = {"student": recipe.student or ModelConfig(model="")}
    for name, teacher in recipe.teachers.items():
        if teacher.endpoint is None:
            named[f"teachers.{name}"] = teacher.loaded_here
    for seed, (key, model) in enumerate(named.items()):
        place = f"models/{key.replace('teachers.', 'teacher-')}"
        about = build_small(model.model, model.revision, folder / place, base_dir=base_dir, seed=seed)
        draft.put(f"{key}.model", place)
        draft.put(f"{key}.dtype", model.dtype or default_dtype(model.model))
        draft.drop(f"{key}.revision")
        draft.drop(f"{key}.random_weights")
        for bound in ("max_image_tokens", "min_image_tokens"):  # of a large model's pictures
            draft.drop(f"{key}.{bound}")
        draft.says_replaced(f"{model.model} by {about}")
    if names := (recipe.cache_teacher.teachers if recipe.cache_teacher else ()):
        draft.put("cache-teacher.teachers", [name for name in names if name in recipe.teachers])


def _evaluation(draft: Draft) -> None:
    suite = draft.get("eval.suite")
    if suite is None:
        return
    draft.put("eval.limit", 4)
    if suite != "digits":
        draft.put("eval.suite", "digits")
        draft.says_replaced(f"the suite `{suite}` by `digits`, through the same engine")
        draft.says_not_proven(f"the benchmarks of `{suite}` and their data (`rilctl eval --print-datasets` lists them)")
    if draft.get("eval.endpoint") is not None:
        draft.drop("eval.endpoint")
        draft.says_replaced("the measured endpoint by the trained student")
