"""Scripted engines: answers and verdicts from a function or a mapping, failures where the script says so."""

from collections.abc import Callable, Collection, Mapping, Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.errors import RowError

Answer = Callable[[GenerationRequest, int], str]
"""(request, seed) -> text; may raise `RowError`."""


class ScriptedGeneration:
    """A `GenerationEngine` that says what its script says; a token is one character's code point.

    Args:
        script: a function, or texts by question (a missing question is a `RowError`).
        model_digest: identity in the call cache.
    """

    def __init__(self, script: Answer | Mapping[str, str], *, model_digest: str = "scripted") -> None:
        self.model_name = "scripted"
        self.rows_at_once = 32
        self.model_digest = model_digest
        self.asked: list[GenerationRequest] = []
        """Every request so far, in order."""
        self.is_closed = False
        self._script = script

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        self.asked += requests
        return [self._answer(request, sampling) for request in requests]

    def close(self) -> None:
        """See `GenerationEngine`."""
        self.is_closed = True

    def _answer(self, request: GenerationRequest, sampling: SamplingConfig) -> tuple[Response, ...] | RowError:
        try:
            for image in request.images:
                image.load()
            return tuple(_respond(self._text(request, seed), sampling.max_new_tokens) for seed in request.seeds)
        except RowError as error:
            return error

    def _text(self, request: GenerationRequest, seed: int) -> str:
        if callable(self._script):
            return self._script(request, seed)
        if request.question not in self._script:
            raise RowError("not-scripted", f"the script has no answer to {request.question!r}")
        return self._script[request.question]


class ScriptedJudge:
    """A `JudgeEngine` that follows a function and fails where it is told to.

    Args:
        script: whether a request's response is right; None gives no verdict.
        failures: numbers of the requests (from 0, over the judge's life) that get no verdict.
    """

    name = "scripted"
    rows_at_once = 256

    def __init__(self, script: Callable[[JudgeRequest], bool | None], *, failures: Collection[int] = ()) -> None:
        self.num_judged = 0
        """Requests so far."""
        self._script = script
        self._failures = frozenset(failures)

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        return [self._verdict(request) for request in requests]

    def metrics(self) -> dict[str, float]:
        """See `JudgeEngine`."""
        return {}

    def close(self) -> None:
        """See `JudgeEngine`."""

    def _verdict(self, request: JudgeRequest) -> Verdict:
        number, self.num_judged = self.num_judged, self.num_judged + 1
        if number in self._failures:
            return Verdict(None, None, "scripted failure")
        return Verdict(self._script(request), request.response, "scripted")


def _respond(text: str, max_new_tokens: int) -> Response:
    kept = text[:max_new_tokens]
    token_ids = tuple(map(ord, kept))
    return Response(kept, token_ids, "stop" if kept == text else "length", (0.0,) * len(token_ids))
