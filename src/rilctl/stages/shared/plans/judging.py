"""A plan's judge: calls, tokens, cost, and what a judge in this process takes of the device."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.config.judge import JudgeConfig, LlmJudgeConfig
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import Usage
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.check import Check
from rilctl.engines.judging.drawn_canaries import DrawnCanaries
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt
from rilctl.engines.judging.watch import planned_canaries
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.lengths import image_tokens
from rilctl.planning.memory import Held
from rilctl.planning.plan import Fact
from rilctl.stages.shared.context import StageContext
from rilctl.stages.shared.plans.models import planned_model

NUM_MEASURED = 1000
"""Requests whose tokens are counted, where there are more."""


@dataclass(frozen=True)
class JudgedTexts:
    """What a judge is sent, as far as it is known before it is asked.

    Args:
        encoder: of the student: counts tokens, as the judge's own tokenizer isn't here.
        requests: some of those that it will be sent, or all.
        response_tokens: of each response at most, where the requests are without theirs.
    """

    encoder: Encoder
    requests: Sequence[JudgeRequest]
    response_tokens: int = 0

    def tokens_of_a_call(self, config: LlmJudgeConfig) -> float:
        """On average: the rubric with its fields filled in, and pictures, whatever template comes around them."""
        found = self._tokens(config, self.requests) + self.response_tokens
        if config.sees_images:
            found += sum(map(self._image_tokens, self.requests)) / max(1, len(self.requests))
        return found

    def tokens_of_a_canary(self, config: LlmJudgeConfig) -> float:
        """On average, of such as may be drawn."""
        canaries = DrawnCanaries(random.Random(0))
        canaries.learn(self.requests)
        return self._tokens(config, [canary.request for canary in canaries.draw(*Check(config, 1).num_wanted)])

    def _image_tokens(self, request: JudgeRequest) -> int:
        """Of its pictures; none of what can't be sent."""
        with suppress(RowError, ValueError):  # the library refuses extreme shapes
            return sum(image_tokens(self.encoder, image.size_px) or 0 for image in request.images)
        return 0

    def _tokens(self, config: LlmJudgeConfig, requests: Sequence[JudgeRequest]) -> float:
        rubric, as_json = config.rubric or RUBRIC, config.verdict_form == "json"
        prompts = [judge_prompt(rubric, request, as_json=as_json) for request in requests]
        encoded = self.encoder.tokenizer(prompts, add_special_tokens=False)["input_ids"] if prompts else []
        return fmean(map(len, encoded)) if encoded else 0.0


def judge_facts(
    config: JudgeConfig, num_responses: int | None, texts: JudgedTexts | None, num_commits: int
) -> list[Fact]:
    """What judging so many responses takes.

    Args:
        config: the `[judge]` table.
        num_responses: that are judged; None: unknown.
        texts: what an endpoint is sent; None: unknown.
        num_commits: how often verdicts are to count: checkpoints and artifacts.
    """
    if not isinstance(config, LlmJudgeConfig):
        return [Fact("judge calls", 0, note="none: rules")]
    if num_responses is None:
        return [Fact("judge calls", None)]
    canaries = planned_canaries(num_responses, num_commits, config)
    calls = num_responses + canaries
    note = (
        f"at most, with {canaries} canaries if it is right about them: known verdicts aren't asked for; what gets none "
        "is asked for again"
    )
    facts = [Fact("judge calls", calls, note=note)]
    if config.endpoint is None or texts is None:
        return facts
    sent = num_responses * texts.tokens_of_a_call(config) + canaries * texts.tokens_of_a_canary(config)
    usage = Usage(round(sent), calls * config.max_new_tokens)
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
    model = planned_model(context, config.loaded_here)
    if model.anatomy is None:
        return Held(), [Fact("judge's weights", None, "bytes", model.unknown)]
    return Held(weights=model.anatomy.parameters * model.dtype_bytes), []
