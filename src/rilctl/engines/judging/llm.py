"""The LLM judge: a language model that compares a response with the ground truth."""

import hashlib
from collections.abc import Callable, Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.endpoints.ledger import cost_of
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Usage
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt, read_json, read_tag
from rilctl.engines.judging.spoken import Answer, Spoken, spoken
from rilctl.errors import RowError

Calls = list[tuple[GenerationRequest, SamplingConfig]]
_MAX_REASON_CHARS = 600
_RETRY_TEMPERATURE = 0.7
"""Greedy decoding gives the same words again."""
_NO_TEXT = "reply-no-content"
"""An endpoint's reply without a text is one without a verdict in its form; the engine doesn't ask for it again."""


class LlmJudge:
    """A `JudgeEngine` over any generation engine.

    A reply without a verdict in its form is asked for again, up to `num_retries` times; what fails for another reason
    is not, since the engine has tried. Either way there is no verdict then, never a guess.

    Args:
        config: the `[judge]` table.
        model: the judge's model, which is closed with it.
        through: puts a call cache in front of the model as it is spoken to.
        forget: told of everything that was asked in vain, so that no cache keeps it.
    """

    def __init__(
        self,
        config: LlmJudgeConfig,
        model: GenerationEngine,
        through: Callable[[Spoken], GenerationEngine] = lambda engine: engine,
        forget: Callable[[Calls], object] = lambda calls: None,
    ) -> None:
        self._config, self._spoken = config, spoken(model)
        self._engine, self._forget = through(self._spoken), forget
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
                verdict = self._hear(answer)
                has_failed = isinstance(answer, RowError) and answer.reason != _NO_TEXT
                if verdict.correct is not None or is_last or has_failed:
                    known[request] = verdict
        if silent := [request for request, verdict in known.items() if verdict.correct is None]:
            self._forget(self.calls(silent))
        return [known[request] for request in requests]

    def put_between(self, cases: Sequence[JudgeRequest]) -> None:
        """See `Spoken`."""
        self._spoken.put_between([self._prompt(case, 0) for case in cases])

    def heard_between(self) -> list[Answer | None]:
        """See `Spoken`."""
        return self._spoken.heard_between()

    def hear(self, answers: Sequence[Answer | None]) -> list[Verdict | None]:
        """The verdicts of answers that another judge of this kind got; None: there is none, whatever the reason."""
        verdicts = [None if answer is None else self._hear(answer) for answer in answers]
        return [verdict if verdict is not None and verdict.correct is not None else None for verdict in verdicts]

    def calls(self, requests: Sequence[JudgeRequest]) -> Calls:
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

    def _hear(self, answer: Answer) -> Verdict:
        """The verdict of an answer, whose tokens are counted."""
        if isinstance(answer, RowError):
            return Verdict(None, None, f"{answer.reason}: {answer.message}")
        if answer[0].usage:
            self._usage = (self._usage or Usage()) + answer[0].usage
        correct = read_json(answer[0].text) if self._as_json else read_tag(answer[0].text)
        return Verdict(correct, None, _reason(answer[0].text, correct))

    def _answers(self, prompts: Sequence[GenerationRequest], attempt: int) -> Sequence[Answer]:
        return self._engine.generate(prompts, self._sampling(attempt)) if prompts else ()

    def _sampling(self, attempt: int) -> SamplingConfig:
        temperature = _RETRY_TEMPERATURE if attempt else 0.0
        return SamplingConfig(max_new_tokens=self._config.max_new_tokens, temperature=temperature)

    def _prompt(self, request: JudgeRequest, attempt: int) -> GenerationRequest:
        prompt = judge_prompt(self._rubric, request, as_json=self._as_json)
        shown = request.images if self._config.sees_images else ()
        return GenerationRequest("judge", Conversation.of(prompt, shown), (attempt,))


def rubric_identity(config: LlmJudgeConfig) -> str:
    """What tells one rubric from another, forms and tags included."""
    prompt = judge_prompt(config.rubric or RUBRIC, JudgeRequest("", "", ""), as_json=config.verdict_form == "json")
    return f"rubric {hashlib.sha256(prompt.encode()).hexdigest()[:16]}"


def _reason(reply: str, correct: bool | None) -> str:
    """The judge's own words, shortened: they are for a person who wants to know why."""
    words = reply.strip()
    shown = words if len(words) <= _MAX_REASON_CHARS else f"{words[:_MAX_REASON_CHARS]}…"
    return shown if correct is not None else f"no verdict in the reply: {shown}"
