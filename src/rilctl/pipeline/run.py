"""`rilctl run`: the verbs of one recipe, in order, in this process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path

from rilctl.config.recipe import OWN_DATA_VERBS, VERBS, Recipe, Verb
from rilctl.config.suite import find_suite, select
from rilctl.errors import ArtifactError, RilctlError, UsageError
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.stages.shared.context import StageContext, StageResult


@dataclass(frozen=True)
class Stage:
    """A verb's package, `rilctl.stages.<verb>`.

    Args:
        run: does the verb's work, or finds it done.
        plan: says what `run` would do; writes nothing.
    """

    run: Callable[[StageContext], StageResult]
    plan: Callable[[StageContext], Plan]


def load_stage(verb: Verb) -> Stage:
    """The stage of a verb, imported when it is needed: stages bring torch with them."""
    package = f"rilctl.stages.{_field(verb)}"
    return Stage(import_module(f"{package}.run").run, partial(_planned, import_module(f"{package}.plan").plan))


def _planned(plan: Callable[[StageContext], Plan], context: StageContext) -> Plan:
    """A verb's plan, and what choosing its rows takes, which a plan doesn't do."""
    to_score: dict[str, int] = {}
    made = plan(replace(context, to_score=to_score))
    data = context.recipe.data
    chosen = data.select.likelihood if data is not None else None
    if chosen is None or made.verb not in OWN_DATA_VERBS:
        return made
    order = f"{chosen.order} first; here by a hash, as a plan scores nothing"
    model, num = next(iter(to_score.items()), ("the student", None))
    once = f"by {model}; of the rows that are read here, at most: what was scored once is kept"
    facts = Fact("rows chosen by", "likelihood", note=order), Fact("answers to score", num, note=once)
    return replace(made, sections=(*made.sections, Section("selection", facts)))


def verbs_of(recipe: Recipe) -> tuple[Verb, ...]:
    """The verbs that the recipe has a table for, in the order in which they run.

    Raises:
        UsageError: it has none.
    """
    verbs = tuple(verb for verb in VERBS if getattr(recipe, _field(verb)) is not None)
    if not verbs:
        tables = ", ".join(f"[{verb}]" for verb in VERBS)
        raise UsageError("the recipe has no verb's table, so there is nothing to run", hint=f"add some of {tables}")
    return verbs


def check_suite(recipe: Recipe, base_dir: Path) -> None:
    """See that there is the suite that `eval` will ask for, and the tasks of it: before days of training, not after.

    Raises:
        UsageError: there is no such suite or task.
        ConfigError: the suite's file is none.
    """
    if recipe.eval is not None:
        select(find_suite(recipe.eval.suite, base_dir).suite, recipe.eval.tasks)


def run_pipeline(
    recipe: Recipe,
    make_context: Callable[[Verb], StageContext],
    *,
    dry_run: bool,
    load: Callable[[Verb], Stage] = load_stage,
    mind: Callable[[Verb, RilctlError], object] = lambda verb, error: None,
) -> dict[Verb, StageResult | Plan]:
    """Run each verb of the recipe; what is done already is found up to date.

    Rejected rows don't stop the walk (the next verb has a limit for them), an error does.

    Args:
        recipe: the resolved recipe.
        make_context: a verb's surroundings.
        dry_run: plan each verb instead, and write nothing.
        load: finds the stage of a verb.
        mind: told of the error that ends the walk, and of its verb.

    Returns:
        Each verb's result, or its plan for a dry run, in the order of the walk.
    """
    outcomes: dict[Verb, StageResult | Plan] = {}
    verbs = verbs_of(recipe)
    if "eval" in verbs:
        check_suite(recipe, make_context("eval").base_dir)
    for number, verb in enumerate(verbs, start=1):
        context, stage = make_context(verb), load(verb)
        context.check_stop()  # a signal may have come after the last unit of the verb before
        context.reporter.say(f"{verb} ({number} of {len(verbs)})")
        try:
            outcomes[verb] = _plan(stage, verb, context, verbs) if dry_run else stage.run(context)
        except RilctlError as error:
            mind(verb, error)
            raise
    return outcomes


def _plan(stage: Stage, verb: Verb, context: StageContext, verbs: tuple[Verb, ...]) -> Plan:
    try:
        return stage.plan(context)
    except ArtifactError as error:
        # What an earlier verb of this walk would make isn't there yet, which is no fault of the recipe.
        unmade = [earlier for earlier in verbs[: verbs.index(verb)] if not context.upstream(earlier).exists()]
        if not unmade:
            raise
        waits = (Fact("waits for", ", ".join(unmade)), Fact("because", error.message))
        return Plan(verb, (Section("inputs", waits),))


def _field(verb: Verb) -> str:
    return verb.replace("-", "_")
