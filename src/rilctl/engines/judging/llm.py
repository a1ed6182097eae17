"""The LLM judge: a language model that compares a response with the ground truth."""

import hashlib
from collections.abc import Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response, Usage
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt, read_json, read_tag
from rilctl.errors import RowError

_MAX_REASON_CHARS = 600
_RETRY_TEMPERATURE = 0.7
"""Greedy decoding gives the same words again."""


class LlmJudge:
    """A `JudgeEngine` over any generation engine.

    A reply without a verdict in its form is asked for again, up to `num_retries` times; what fails for another reason
    is not, since the engine has tried. Either way there is no verdict then, never a guess.

    Args:
        config: the `[judge]` table.
        engine: the judge's model, which is closed with it.
    """

    def __init__(self, config: LlmJudgeConfig, engine: GenerationEngine) -> None:
        self._config, self._engine = config, engine
        self._rubric = config.rubric or RUBRIC
        self._as_json = config.verdict_form == "json"
        self._usage: Usage | None = None

    @property
    def name(self) -> str:
        """Identity of model, rubric and form."""
        return f"{self._engine.model_name}, {rubric_identity(self._config)}"

    @property
    def rows_at_once(self) -> int:
        """See `JudgeEngine`."""
        return self._engine.rows_at_once

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict for each request, in order; of equal requests one is asked."""
        known: dict[JudgeRequest, Verdict] = {}
        for attempt in range(1 + self._config.num_retries):
            is_last = attempt == self._config.num_retries
            asked = [request for request in dict.fromkeys(requests) if request not in known]
            prompts = [self._prompt(request, attempt) for request in asked]
            for request, answer in zip(asked, self._answers(prompts, attempt), strict=True):
                if isinstance(answer, RowError):
                    known[request] = Verdict(None, None, f"{answer.reason}: {answer.message}")
                    continue
                if answer[0].usage:
                    self._usage = (self._usage or Usage()) + answer[0].usage
                correct = self._read(answer[0].text, request)
                if correct is not None or is_last:
                    known[request] = Verdict(correct, None, _reason(answer[0].text, correct))
        return [known[request] for request in requests]

    def calls(self, requests: Sequence[JudgeRequest]) -> list[tuple[GenerationRequest, SamplingConfig]]:
        """See `JudgeEngine`."""
        attempts = range(1 + self._config.num_retries)
        return [(self._prompt(request, n), self._sampling(n)) for request in dict.fromkeys(requests) for n in attempts]

    def counts(self) -> dict[str, float]:
        """See `JudgeEngine`: tokens that an endpoint counted for the replies, whichever run paid, and their price."""
        total = self._usage
        if total is None:
            return {}
        found = {"input_tokens": float(total.input_tokens), "output_tokens": float(total.output_tokens)}
        cost = cost_of(self._config.endpoint, total) if self._config.endpoint else None
        return found if cost is None else found | {"cost": cost}

    def close(self) -> None:
        """See `JudgeEngine`."""
        self._engine.close()

    def _answers(self, prompts: Sequence[GenerationRequest], attempt: int) -> Sequence[tuple[Response, ...] | RowError]:
        return self._engine.generate(prompts, self._sampling(attempt)) if prompts else ()

    def _sampling(self, attempt: int) -> SamplingConfig:
        temperature = _RETRY_TEMPERATURE if attempt else 0.0
        return SamplingConfig(max_new_tokens=self._config.max_new_tokens, temperature=temperature)

    def _prompt(self, request: JudgeRequest, attempt: int) -> GenerationRequest:
        prompt = judge_prompt(self._rubric, request, as_json=self._as_json)
        shown = request.images if self._config.sees_images else ()
        return GenerationRequest("judge", Conversation.of(prompt, shown), (attempt,))

    def _read(self, reply: str, request: JudgeRequest) -> bool | None:
        return read_json(reply) if self._as_json else read_tag(reply, request)


def rubric_identity(config: LlmJudgeConfig) -> str:
    """What tells one rubric from another, forms and tags included."""
    prompt = judge_prompt(config.rubric or RUBRIC, JudgeRequest("", "", ""), as_json=config.verdict_form == "json")
    return f"rubric {hashlib.sha256(prompt.encode()).hexdigest()[:16]}"


def _reason(reply: str, correct: bool | None) -> str:
    """The judge's own words, shortened: they are for a person who wants to know why."""
    words = reply.strip()
    shown = words if len(words) <= _MAX_REASON_CHARS else f"{words[:_MAX_REASON_CHARS]}…"
    return shown if correct is not None else f"no verdict in the reply: {shown}"
