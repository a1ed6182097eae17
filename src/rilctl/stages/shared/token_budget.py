"""How many response tokens a run learns from, where a recipe says that instead of its steps."""

import pyarrow as pa
import pyarrow.compute as pc

from rilctl.artifacts.read import input_entry, open_rows, resolve
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import RolloutRecord
from rilctl.stages.shared.context import StageContext


def token_budget(
    context: StageContext, num_tokens: int | None, match_tokens: str | None
) -> tuple[int | None, list[InputEntry]]:
    """The budget, and the lineage of what it was taken from.

    Args:
        context: the stage's surroundings.
        num_tokens: as the recipe states it.
        match_tokens: a `rollouts` artifact, whose policy rows are counted.

    Returns:
        Response tokens, the fewer where both are given; None: steps decide.

    Raises:
        ArtifactError: there is no such artifact.
    """
    if match_tokens is None:
        return num_tokens, []
    rollouts = resolve(context.base_dir / match_tokens, "rollouts")
    budget = sum(_policy_tokens(table) for table in open_rows(rollouts, RolloutRecord).scan(("token_ids", "in_policy")))
    context.reporter.say(f"budget: {budget:,} response tokens, as many as in {rollouts}")
    if num_tokens is not None and num_tokens < budget:
        context.reporter.say(f"budget: {num_tokens:,} response tokens, as the recipe says, which are fewer")
        budget = num_tokens
    return budget, [input_entry("match-tokens", rollouts)]


def _policy_tokens(table: pa.Table) -> int:
    return pc.sum(pc.list_value_length(table.filter(table.column("in_policy")).column("token_ids"))).as_py() or 0
