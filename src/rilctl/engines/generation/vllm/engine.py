"""Generation engines over vLLM: a model that stays as it is, or a policy whose weights change."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.vllm.backend import Ask, AskKey, Backend, Generated, sampling_params
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.processor import EncodedPrompt

_MAX_ROUNDS = 8
"""A batch of questions outlives so many restarts of a server."""
_MAX_ATTEMPTS = 4
"""To give weights to a server that goes away meanwhile."""
Results = dict[int, tuple[Response, ...] | RowError]
AnyBackend = TypeVar("AnyBackend", bound=Backend)
T = TypeVar("T")


class VllmGeneration(Generic[AnyBackend]):
    """A `GenerationEngine` over a vLLM that starts when the first prompt comes.

    Args:
        start: gives the backend and what reads for it.
        model_name: hub id or directory.
        model_digest: identity of the model, in the call cache's key.
        rows_at_once: responses asked for at once.
    """

    def __init__(
        self,
        start: Callable[[], tuple[AnyBackend, Reader]],
        *,
        model_name: str,
        model_digest: str,
        rows_at_once: int,
    ) -> None:
        self.model_name, self.model_digest, self.rows_at_once = model_name, model_digest, rows_at_once
        self._start = start
        self._started: tuple[AnyBackend, Reader] | None = None
        self._keeps, self._kept = False, dict[AskKey, Generated | RowError]()
        """What came in a call of `generate`, where another may have to ask for the rest."""

    def started(self) -> tuple[AnyBackend, Reader]:
        """The backend and what reads for it, started if need be."""
        if self._started is None:
            self._started = self._start()
        return self._started

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        backend, reader = self.started()
        reader.prompts.expect(request.conversation for request in requests)
        results: Results = {}
        for batch in self._batches(requests, sampling, results):
            asks = [ask for _, of_prompt in batch.values() for ask in of_prompt]
            answers = iter(self._sample(backend, asks, sampling, reader))
            for index, (prompt, of_prompt) in batch.items():
                mine = [next(answers) for _ in of_prompt]
                try:
                    results[index] = tuple(_response(reader, prompt, answer, sampling) for answer in mine)
                except RowError as error:
                    results[index] = error
        return [results[index] for index in range(len(requests))]

    def close(self) -> None:
        """See `GenerationEngine`."""
        if self._started is not None:
            backend, reader = self._started
            backend.close()
            reader.prompts.close()
        self._started = None

    def _batches(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig, results: Results
    ) -> Iterator[dict[int, tuple[EncodedPrompt, list[Ask]]]]:
        """The prompts of each batch by their place among the requests; a bad request's result is its error."""
        backend, reader = self.started()
        room_tokens = backend.max_length_tokens - sampling.max_new_tokens
        batch: dict[int, tuple[EncodedPrompt, list[Ask]]] = {}
        num_rows = 0
        for index, request in enumerate(requests):
            try:
                prompt, asks = reader.asks(request, room_tokens)
            except RowError as error:
                results[index] = error
                continue
            if batch and num_rows + len(asks) > self.rows_at_once:
                yield batch
                batch, num_rows = {}, 0
            batch[index] = prompt, asks
            num_rows += len(asks)
        if batch:
            yield batch

    def _sample(
        self, backend: Backend, asks: Sequence[Ask], sampling: SamplingConfig, reader: Reader
    ) -> list[Generated | RowError]:
        """An answer for every ask; what a server still owes when it goes away is asked for when it is back.

        Raises:
            EngineError: it doesn't come back, or goes away again and again.
        """
        params = sampling_params(sampling, reader.stop_ids, reader.banned_ids)
        answers = {index: self._kept[ask.key] for index, ask in enumerate(asks) if ask.key in self._kept}
        for _ in range(_MAX_ROUNDS):
            missing = [index for index in range(len(asks)) if index not in answers]
            for index, answer in zip(missing, backend.sample([asks[i] for i in missing], params), strict=True):
                if isinstance(answer, RowError) or (answer is not None and self._is_current(answer)):
                    answers[index] = answer
            if self._keeps:
                self._kept |= {asks[index].key: answer for index, answer in answers.items()}
            if len(answers) == len(asks):
                return [answers[index] for index in range(len(asks))]
            self._lost()
            backend.wait()
            self._revive()
        lost = f"{len(asks) - len(answers)} of {len(asks)} responses are missing after {_MAX_ROUNDS} rounds"
        raise EngineError(f"vLLM goes away again and again: {lost}", hint="look at its log; the same command goes on")

    def _lost(self) -> None:
        """Called when vLLM went away; may raise."""

    def _insist(self, attempt: Callable[[], T | None]) -> T:
        """What comes of an attempt to give vLLM its weights, which begins anew when vLLM goes away meanwhile.

        Raises:
            EngineError: it goes away again and again.
        """
        reason = "it did not answer the proof's question"
        for _ in range(_MAX_ATTEMPTS):
            self.started()[0].wait()
            try:
                found = attempt()
            except ConnectionError as error:
                reason = str(error)
                continue
            if found is not None:
                return found
        raise EngineError(
            f"vLLM fails {_MAX_ATTEMPTS} times while it takes the weights: {reason}",
            hint="its log says more; workers that don't answer may wait for a trainer that is gone: restart them",
        )

    def _is_current(self, answer: Generated) -> bool:
        """Whether the right weights sampled it."""
        return True

    def _revive(self) -> None:
        """Called when vLLM is back."""


def _response(
    reader: Reader, prompt: EncodedPrompt, answer: Generated | RowError, sampling: SamplingConfig
) -> Response:
    if isinstance(answer, RowError):
        raise answer
    return reader.response(prompt, answer, sampling)
