from pathlib import Path

import pytest

from rilctl.config.recipe import Recipe, Verb
from rilctl.errors import ArtifactError, ConfigError, RilctlError, UsageError
from rilctl.pipeline.run import Stage, run_pipeline
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.shared.context import StageContext, StageResult

FULL = Recipe.model_validate_json('{"eval": {}, "train": {}, "sft": {}, "judge": {}, "cache-teacher": {}}')


class Walk:
    """Scripted stages that write down what was asked of them."""

    def __init__(self, tmp_path: Path, recipe: Recipe = FULL) -> None:
        self.tmp_path, self.recipe = tmp_path, recipe
        self.calls: list[tuple[str, Verb]] = []
        self.fails: Verb | None = None
        self.needs: dict[Verb, Verb] = {}
        self.said: list[str] = []

    def make_context(self, verb: Verb) -> StageContext:
        walk = self

        class Reporter(SilentReporter):
            def say(self, message: str) -> None:
                walk.said.append(message)

        return StageContext(self.recipe, "r", self.tmp_path, self.tmp_path / "runs/r" / verb, Reporter(), "again")

    def load(self, verb: Verb) -> Stage:
        walk = self

        class Scripted:
            def run(self, context: StageContext) -> StageResult:
                walk.calls.append(("run", verb))
                if verb == walk.fails:
                    raise RilctlError("no")
                done = context.out.exists()
                context.out.mkdir(parents=True, exist_ok=True)
                return StageResult({}, num_rejected=1 if verb == "cache-teacher" else 0, up_to_date=done)

            def plan(self, context: StageContext) -> Plan:
                walk.calls.append(("plan", verb))
                need = walk.needs.get(verb)
                if need is not None and not context.upstream(need).exists():
                    raise ArtifactError(f"no {need} here")
                return Plan(verb, (Section("data", (Fact("rows", 3),)),))

        scripted = Scripted()
        return Stage(scripted.run, scripted.plan)


def test_verbs_run_in_pipeline_order_and_rejected_rows_go_on(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    results = run_pipeline(FULL, walk.make_context, dry_run=False, load=walk.load)
    assert list(results) == ["cache-teacher", "judge", "sft", "train", "eval"]
    assert walk.calls == [("run", verb) for verb in results]
    assert results["cache-teacher"] == StageResult({}, num_rejected=1)
    assert walk.said[1] == "judge (2 of 5)"


def test_the_second_walk_finds_everything_up_to_date(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    for expected in (False, True):
        results = run_pipeline(FULL, walk.make_context, dry_run=False, load=walk.load)
        assert [isinstance(r, StageResult) and r.up_to_date for r in results.values()] == [expected] * 5


def test_an_error_stops_the_walk(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    walk.fails = "judge"
    with pytest.raises(RilctlError, match="no"):
        run_pipeline(FULL, walk.make_context, dry_run=False, load=walk.load)
    assert walk.calls == [("run", "cache-teacher"), ("run", "judge")]


def test_a_recipe_without_verbs_is_a_usage_error(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    with pytest.raises(UsageError, match="nothing to run") as caught:
        run_pipeline(Recipe(), walk.make_context, dry_run=False, load=walk.load)
    assert caught.value.hint is not None and "[pretrain-disc]" in caught.value.hint


def test_a_plan_writes_nothing_and_waits_for_what_earlier_verbs_will_make(tmp_path: Path) -> None:
    walk = Walk(tmp_path)
    walk.needs = {"train": "sft"}
    plans = run_pipeline(FULL, walk.make_context, dry_run=True, load=walk.load)
    assert plans["sft"] == Plan("sft", (Section("data", (Fact("rows", 3),)),))
    waits = Section("inputs", (Fact("waits for", "cache-teacher, judge, sft"), Fact("because", "no sft here")))
    assert plans["train"] == Plan("train", (waits,))
    assert list(tmp_path.iterdir()) == []


def test_a_plan_refuses_an_input_that_no_earlier_verb_makes(tmp_path: Path) -> None:
    recipe = Recipe.model_validate_json('{"train": {}}')
    walk = Walk(tmp_path, recipe)
    walk.needs = {"train": "sft"}
    with pytest.raises(ArtifactError, match="no sft here"):
        run_pipeline(recipe, walk.make_context, dry_run=True, load=walk.load)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_suite_that_there_isnt_is_missed_before_anything_is_trained(tmp_path: Path, dry_run: bool) -> None:
    recipe = Recipe.model_validate_json('{"train": {}, "eval": {"suite": "nothing.toml"}}')
    walk = Walk(tmp_path, recipe)
    with pytest.raises(UsageError, match="no suite file"):
        run_pipeline(recipe, walk.make_context, dry_run=dry_run, load=walk.load)
    assert not walk.calls
    (tmp_path / "nothing.toml").write_text("[[benchmarks]]\n")
    with pytest.raises(ConfigError, match="nothing.toml"):
        run_pipeline(recipe, walk.make_context, dry_run=dry_run, load=walk.load)
    assert not walk.calls
