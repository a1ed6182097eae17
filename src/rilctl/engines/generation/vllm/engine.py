"""Generation engines over vLLM: a model that stays as it is, or a policy whose weights change."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Generic, TypeVar

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import TURNS, Ahead, Came, GenerationRequest, Response, collected
from rilctl.engines.generation.vllm.backend import Ask, AskKey, Backend, Generated, sampling_params
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.rows import Row, Rows
from rilctl.errors import EngineError, RowError

_MAX_ROUNDS = 8
"""A server may go away so often with no answer between."""
_MAX_ATTEMPTS = 4
"""To give weights to a server that goes away meanwhile."""
AnyBackend = TypeVar("AnyBackend", bound=Backend)
T = TypeVar("T")


class VllmGeneration(Generic[AnyBackend]):
    """A `OneByOneEngine` over a vLLM that starts when the first prompt comes.

    Args:
        start: gives the backend and what reads for it.
        model_name: hub id or directory.
        model_digest: identity of the model, in the call cache's key.
        num_places: responses under way at once.
    """

    def __init__(
        self,
        start: Callable[[], tuple[AnyBackend, Reader]],
        *,
        model_name: str,
        model_digest: str,
        num_places: int,
    ) -> None:
        self.model_name, self.model_digest, self.rows_at_once = model_name, model_digest, TURNS * num_places
        self._num_places = num_places
        self._start = start
        self._started: tuple[AnyBackend, Reader] | None = None
        self._keeps, self._kept = False, dict[AskKey, Generated | RowError]()
        """What came in a call, where another may have to ask for the rest."""

    def started(self) -> tuple[AnyBackend, Reader]:
        """The backend and what reads for it, started if need be."""
        if self._started is None:
            self._started = self._start()
        return self._started

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        return collected(self.answers(requests, sampling, check_stop=lambda: None), requests)

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """See `OneByOneEngine`. What a server still owes when it goes away is asked for when it is back.

        Raises:
            EngineError: it doesn't come back, or goes away again and again.
        """
        ahead = iter(requests)
        for first in ahead:
            if first is not None:
                break
            yield {}
            check_stop()
        else:
            return
        self._begin()
        backend, reader = self.started()
        rows = Rows(reader, chain([first], ahead), backend.max_length_tokens - sampling.max_new_tokens)
        num_in_vain = 0
        while not rows.is_over:
            lost: list[Row] = []
            num_heard = 0
            for heard in self._round(backend, reader, rows, sampling, lost, check_stop):
                yield {**rows.take_errors(), **{row.key: _response(reader, row, each, sampling) for row, each in heard}}
                num_heard += len(heard)
            yield {**rows.take_errors()}
            if not lost:
                continue
            num_in_vain = 0 if num_heard else num_in_vain + 1
            if num_in_vain == _MAX_ROUNDS:
                gone = f"{len(lost)} responses are missing after {_MAX_ROUNDS} rounds"
                raise EngineError(
                    f"vLLM goes away again and again: {gone}", hint="look at its log; the same command goes on"
                )
            rows.again(lost)
            self._lost()
            backend.wait()
            self._revive()

    def close(self) -> None:
        """See `GenerationEngine`."""
        if self._started is not None:
            backend, reader = self._started
            backend.close()
            reader.prompts.close()
        self._started = None

    def _round(
        self,
        backend: Backend,
        reader: Reader,
        rows: Rows,
        sampling: SamplingConfig,
        lost: list[Row],
        check_stop: Callable[[], object],
    ) -> Iterator[list[tuple[Row, Generated | RowError]]]:
        """Rows and what was said to them, until all have come or vLLM goes away.

        Args:
            backend: asked.
            reader: reads for it.
            rows: taken from here.
            sampling: how they are sampled.
            lost: gets what has to be asked for again.
            check_stop: see `OneByOneEngine`.
        """
        asked: dict[int, Row] = {}
        kept: list[tuple[Row, Generated | RowError]] = []
        reason: BaseException | None = None

        def asks() -> Iterator[Ask | None]:
            number = 0
            while not lost and reason is None and not rows.is_over:
                row = rows.following()
                if row is None or row.ask.key not in self._kept:
                    if row is not None:
                        asked[number] = row
                        number += 1
                    yield None if row is None else row.ask
                else:
                    kept.append((row, self._kept[row.ask.key]))

        params = sampling_params(sampling, reader.stop_ids, reader.banned_ids)
        for came in backend.stream(asks(), params, self._num_places):
            heard, kept = kept, []
            for number, answer in came.items():
                row = asked.pop(number)
                if answer is None or not (isinstance(answer, RowError) or self._is_current(answer)):
                    lost.append(row)
                    continue
                heard.append((row, answer))
                if self._keeps:
                    self._kept[row.ask.key] = answer
            yield heard
            try:
                if reason is None:
                    check_stop()
            except BaseException as error:
                reason = error
        yield kept
        if reason is not None:
            raise reason

    def _begin(self) -> None:
        """Called before anything is asked; may raise."""

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


def _response(reader: Reader, row: Row, answer: Generated | RowError, sampling: SamplingConfig) -> Response | RowError:
    if isinstance(answer, RowError):
        return answer
    try:
        return reader.response(row.prompt, answer, sampling)
    except RowError as error:
        return error
