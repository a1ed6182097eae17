"""A scripted engine: answers from a function or a mapping, failures where the script says so."""

from collections.abc import Callable, Mapping, Sequence

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import RowError

Script = Callable[[GenerationRequest, int], str]
"""(request, seed) -> text; may raise `RowError`."""


class ScriptedGeneration:
    """A `GenerationEngine` that says what its script says; a token is one character's code point.

    Args:
        script: a function, or texts by question (a missing question is a `RowError`).
        model_digest: identity in the call cache.
    """

    def __init__(self, script: Script | Mapping[str, str], *, model_digest: str = "scripted") -> None:
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


def _respond(text: str, max_new_tokens: int) -> Response:
    kept = text[:max_new_tokens]
    token_ids = tuple(map(ord, kept))
    return Response(kept, token_ids, "stop" if kept == text else "length", (0.0,) * len(token_ids))
