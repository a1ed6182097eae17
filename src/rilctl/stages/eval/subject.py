"""What is evaluated, on what: for the run and for its plan."""

from pathlib import Path
from typing import Final, Literal

from rilctl.artifacts.layout import MANIFEST, RUN
from rilctl.artifacts.read import read_manifest, resolve
from rilctl.artifacts.roles import missing_roles
from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import Recipe
from rilctl.config.suite import FoundSuite, Suite, select
from rilctl.planning.plan import Fact
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, find_student

TrainingVerb = Literal["train", "sft"]
BEST: Final = "best-student"
"""The role of the student that `train` keeps of its best validation."""


def eval_config(context: StageContext) -> EvalConfig:
    """The recipe's `[eval]` table, or its defaults."""
    return context.recipe.eval or EvalConfig()


def chosen(found: FoundSuite, config: EvalConfig) -> Suite:
    """The suite, or those of its tasks that the recipe names."""
    return select(found.suite, config.tasks) if config.tasks else found.suite


def find_evaluated(context: StageContext, config: EvalConfig) -> tuple[ModelConfig, InputEntry]:
    """What the recipe names, else the best student of its last training that is there."""
    if config.endpoint is not None:
        assert config.student is not None
        entry = endpoint_entry(context, "student", config.student, config.endpoint)
        return ModelConfig(model=config.student), entry
    verb = _last_trained(context) if config.student is None else None
    if verb is None:
        return find_student(context, config.student, after="eval")
    path = resolve(_trained(context, verb), "student")
    context.reporter.say(_which(path))
    return find_student(context, str(path), after="eval")


def _last_trained(context: StageContext) -> TrainingVerb | None:
    """The last verb of this recipe that has trained a student, or has begun to."""
    verbs: tuple[TrainingVerb, ...] = ("train", "sft")
    return next((verb for verb in verbs if (context.upstream(verb) / RUN).exists()), None)


def _trained(context: StageContext, verb: TrainingVerb) -> Path:
    """The student of the best validation where the run kept one, else the run, which has the last."""
    run = context.upstream(verb)
    best = run / BEST
    return best if (best / MANIFEST).exists() or BEST in missing_roles(run) else run


def _which(path: Path) -> str:
    """Which of a training's students this is, and what else there is."""
    metrics = read_manifest(path).metrics
    step, accuracy = metrics.get("step"), metrics.get("validation/accuracy")
    if path.name != BEST:
        return f"evaluating the last student: {path}"
    how = "" if step is None or accuracy is None else f" (validation {accuracy:.1%} at step {step:.0f})"
    return f"evaluating the student of the best validation{how}: {path}; the last one is {path.with_name('student')}"


def planned_student(context: StageContext, config: EvalConfig) -> Fact:
    """Which student `run` would take; nothing is downloaded to find out."""
    if config.student is not None:
        return Fact("student", f"{config.student} at {config.endpoint.url}" if config.endpoint else config.student)
    if (verb := _last_trained(context)) is not None:
        return Fact("student", f"{_trained(context, verb)} ({verb})")
    recipe = context.recipe
    base = recipe.student.model if recipe.student is not None else None
    if (verb := "train" if recipe.train is not None else "sft" if recipe.sft is not None else None) is not None:
        alone = f"until then `eval` takes {base}" if recipe.sft is None and base is not None else ""
        best = ", the best of validation" if verb == "train" and _validates(recipe) else ""
        return Fact("student", f"{context.upstream(verb)} ({verb}{best}, not there yet)", note=alone)
    return Fact("student", base or "none is named yet")


def _validates(recipe: Recipe) -> bool:
    return recipe.data is not None and recipe.data.validation.is_set
