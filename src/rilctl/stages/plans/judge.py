"""The plan of `judge`."""

from pathlib import Path

from rilctl.artifacts.read import read_manifest
from rilctl.config.judge import JudgeConfig, RuleJudgeConfig
from rilctl.engines.judging.canaries import CANARIES
from rilctl.engines.judging.open import describe_judge
from rilctl.planning.plan import Fact, Plan, Section
from rilctl.schemas.manifest import ArtifactKind
from rilctl.stages.context import StageContext
from rilctl.stages.judge_input import STDIN, find_source
from rilctl.stages.plans.closing import output_section


def plan(context: StageContext) -> Plan:
    """What judging takes; stdin is left alone."""
    config = context.recipe.judge or RuleJudgeConfig()
    num_rows: int | None = None
    if config.source == STDIN:
        source = Fact("source", "JSON Lines on stdin")
    elif (found := _planned_source(context, config)) is not None:
        path, kind = found
        source, num_rows = Fact("source", str(path), note=kind), read_manifest(path).num_rows or 0
    else:
        source = Fact("source", None, note="not there yet: `rilctl cache-teacher` makes it")
    facts = (Fact("judge", describe_judge(config)), source, Fact("responses", num_rows), _calls(config, num_rows))
    return Plan("judge", (Section("work", facts), output_section(context)))


def _calls(config: JudgeConfig, num_rows: int | None) -> Fact:
    if isinstance(config, RuleJudgeConfig):
        return Fact("judge calls", 0, note="none: rules")
    note = f"at most, with {len(CANARIES)} canaries: known verdicts aren't asked for again"
    return Fact("judge calls", None if num_rows is None else num_rows + len(CANARIES), note=note)


def _planned_source(context: StageContext, config: JudgeConfig) -> tuple[Path, ArtifactKind] | None:
    """What will be judged; None: the recipe's own teacher cache, which isn't there yet."""
    if config.source is None and not context.upstream("cache-teacher").exists():
        return None
    return find_source(context, config)
