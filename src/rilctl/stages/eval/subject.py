"""What is evaluated, on what: for the run and for its plan."""

from rilctl.config.evaluation import EvalConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import Recipe
from rilctl.config.suite import FoundSuite, Suite, select
from rilctl.models.loaded.source import find_local
from rilctl.planning.plan import Fact
from rilctl.schemas.manifest import InputEntry
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.inputs import endpoint_entry, find_student, refuse_no_student
from rilctl.stages.shared.trained import kept_by, last_student, last_trained


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
    trained = last_student(context) if config.student is None else None
    return find_student(context, config.student if trained is None else str(trained), after="eval")


def planned_student(context: StageContext, config: EvalConfig) -> Fact:
    """Which student `run` would take; nothing is downloaded to find out. Raises as `find_local` does."""
    if config.student is not None:
        if config.endpoint is None:
            source = find_local(config.student, revision=None, base_dir=context.base_dir)  # says what is no model
            if source is not None:
                refuse_no_student(source)
        return Fact("student", f"{config.student} at {config.endpoint.url}" if config.endpoint else config.student)
    if (verb := last_trained(context)) is not None:
        return Fact("student", f"{kept_by(context, verb)} ({verb})")
    recipe = context.recipe
    base = recipe.student.model if recipe.student is not None else None
    if (verb := "train" if recipe.train is not None else "sft" if recipe.sft is not None else None) is not None:
        alone = f"until then `eval` takes {base}" if recipe.sft is None and base is not None else ""
        best = ", the best of validation" if verb == "train" and _validates(recipe) else ""
        return Fact("student", f"{context.upstream(verb)} ({verb}{best}, not there yet)", note=alone)
    return Fact("student", base or "none is named yet")


def _validates(recipe: Recipe) -> bool:
    return recipe.data is not None and recipe.data.validation.is_set
