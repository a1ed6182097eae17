"""A plan's judge: calls, tokens, cost, and what a judge in this process takes of the device."""

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import Usage
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.canaries import CANARIES
from rilctl.engines.judging.open import judge_model
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt
from rilctl.models.loaded.processor import Encoder
from rilctl.planning.memory import Held
from rilctl.planning.plan import Fact
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.data import PlannedData
from rilctl.stages.shared.plans.models import planned_model


def judge_facts(
    config: JudgeConfig, num_responses: int | None, budget: int, encoder: Encoder | None, data: PlannedData | None
) -> list[Fact]:
    """What judging so many responses takes, at most.

    Args:
        config: the `[judge]` table.
        num_responses: that are judged; None: unknown.
        budget: tokens of a response.
        encoder: of the student: counts the rubric's tokens, as the judge's own tokenizer isn't here.
        data: the questions, counted by the same.
    """
    if not isinstance(config, LlmJudgeConfig):
        return [Fact("judge calls", 0, note="none: rules")]
    if num_responses is None:
        return [Fact("judge calls", None)]
    calls = num_responses + len(CANARIES)
    facts = [
        Fact("judge calls", calls, note=f"at most, with {len(CANARIES)} canaries: known verdicts aren't asked for")
    ]
    if config.endpoint is None or encoder is None or data is None or data.prompts is None:
        return facts
    rubric = judge_prompt(config.rubric or RUBRIC, JudgeRequest("", "", ""), as_json=config.verdict_form == "json")
    question = data.prompts.mean_tokens - (0 if config.sees_images else data.prompts.mean_image_tokens)
    a_call = len(encoder.tokenizer(rubric)["input_ids"]) + round(question) + budget
    usage = Usage(calls * a_call, calls * config.max_new_tokens)
    cost = cost_of(config.endpoint, usage)
    stated = "at most, in the currency of the prices" if cost is not None else "the endpoint's table states no prices"
    return [
        *facts,
        Fact("judge input tokens", usage.input_tokens, "tokens", "at most, as the student counts"),
        Fact("judge output tokens", usage.output_tokens, "tokens", f"at most, {config.max_new_tokens} each"),
        Fact("judge cost", cost, "cost", stated),
    ]


def judge_beside(context: StageContext, config: JudgeConfig) -> tuple[Held, list[Fact]]:
    """What a judge in this process holds of the device while others train; a fact where that is unknown."""
    if not isinstance(config, LlmJudgeConfig) or config.endpoint or isinstance(config.engine, VllmServerEngineConfig):
        return Held(), []
    model = planned_model(context, judge_model(config))
    if model.anatomy is None:
        return Held(), [Fact("judge's weights", None, "bytes", model.unknown)]
    return Held(weights=model.anatomy.parameters * model.dtype_bytes), []
