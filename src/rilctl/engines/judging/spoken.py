"""A judge's model as it is spoken to: each case has a code of its own, and canaries stand between the responses."""

import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import (
    Ahead,
    Came,
    GenerationEngine,
    GenerationRequest,
    OneByOneEngine,
    Response,
    collected,
)
from rilctl.engines.judging.prompt import prompt_with_code, reply_without_code
from rilctl.errors import RowError

Answer = tuple[Response, ...] | RowError


@dataclass(frozen=True)
class _Place:
    """A request on its way.

    Args:
        asked: with its code in.
        code: drawn for this once; empty where the prompt has no place for one.
        index: among the caller's requests, or among the canaries.
        is_canary: which of both.
    """

    asked: GenerationRequest
    code: str
    index: int
    is_canary: bool

    def heard(self, response: Response) -> Response:
        """What was said, as it may be kept."""
        return replace(response, text=reply_without_code(response.text, self.code)) if self.code else response


class Spoken:
    """A `GenerationEngine` over the model that judges.

    The call cache stands above it: what is kept knows neither codes nor canaries.

    Args:
        engine: the model.
        has_codes: whether prompts are ours, with a place for their case's code; a benchmark's are its own.
    """

    def __init__(self, engine: GenerationEngine, *, has_codes: bool = True) -> None:
        self.model_name, self.model_digest, self.rows_at_once = (
            engine.model_name,
            engine.model_digest,
            engine.rows_at_once,
        )
        self._engine, self._has_codes = engine, has_codes
        self._dice = random.SystemRandom()
        self._canaries: list[GenerationRequest] = []
        self._num_put = 0
        self._answers: dict[int, Answer] = {}

    def put_between(self, canaries: Sequence[GenerationRequest]) -> None:
        """Ask them between the next requests of the same temperature, at places that can't be foreseen."""
        self._canaries, self._num_put, self._answers = list(canaries), 0, {}

    def heard_between(self) -> list[Answer | None]:
        """What was answered to them, in order; None: nothing, too few requests came. They aren't put any more."""
        found = [self._answers.get(index) for index in range(len(self._canaries))]
        self.put_between(())
        return found

    def generate(self, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> list[Answer]:
        """See `GenerationEngine`."""
        places, found = self._places(requests, sampling), dict[int, Answer]()
        for start in range(0, len(places), self.rows_at_once):
            some = places[start : start + self.rows_at_once]
            answers = self._engine.generate([place.asked for place in some], sampling)
            for place, answer in zip(some, answers, strict=True):
                heard = answer if isinstance(answer, RowError) else tuple(map(place.heard, answer))
                (self._answers if place.is_canary else found)[place.index] = heard
        return [found[index] for index in range(len(requests))]

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._engine.close()

    def _places(self, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> list[_Place]:
        """The requests in order, and no more canaries than that between them."""
        start, num = self._num_put, 0
        if sampling.temperature == 0 and requests:
            num = min(len(requests), len(self._canaries) - start)
        self._num_put += num
        canaries = iter(range(start, start + num))
        chosen = {*self._dice.sample(range(len(requests) + num), num)}
        rows = iter(range(len(requests)))
        places = []
        for at in range(len(requests) + num):
            index = next(canaries if at in chosen else rows)
            places.append(self._placed(self._canaries[index] if at in chosen else requests[index], index, at in chosen))
        return places

    def _placed(self, request: GenerationRequest, index: int, is_canary: bool) -> _Place:
        if not self._has_codes:
            return _Place(request, "", index, is_canary)
        code, conversation = secrets.token_hex(4), request.conversation
        prompt = prompt_with_code(conversation.question, code)
        asked = replace(request, conversation=Conversation.of(prompt, conversation.images))
        return _Place(asked, code, index, is_canary)


class SpokenOneByOne(Spoken):
    """A `OneByOneEngine` over one."""

    _engine: OneByOneEngine

    def generate(self, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> list[Answer]:
        """See `GenerationEngine`."""
        return collected(self.answers(requests, sampling, check_stop=lambda: None), requests)

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """See `OneByOneEngine`."""
        places: list[_Place] = []

        def asked() -> Iterator[GenerationRequest | None]:
            for place in self._places_ahead(requests, sampling):
                if place is not None:
                    places.append(place)
                yield None if place is None else place.asked

        for came in self._engine.answers(asked(), sampling, check_stop=check_stop):
            found: dict[tuple[int, int], Response | RowError] = {}
            for (at, seed), answer in came.items():
                place = places[at]
                heard = answer if isinstance(answer, RowError) else place.heard(answer)
                if not place.is_canary:
                    found[place.index, seed] = heard
                else:
                    self._answers[place.index] = heard if isinstance(heard, RowError) else (heard,)
            yield found

    def _places_ahead(self, requests: Ahead, sampling: SamplingConfig) -> Iterator[_Place | None]:
        """Requests as they come, those of a call before any is asked, so that canaries can stand anywhere in it."""
        ahead, num = iter(requests), 0
        is_over = False
        while not is_over:
            some: list[GenerationRequest] = []
            is_over = True
            for request in ahead:
                if request is not None:
                    some.append(request)
                if request is None or len(some) == self.rows_at_once:
                    is_over = False
                    break
            for place in self._places(some, sampling):
                yield place if place.is_canary else replace(place, index=num + place.index)
            num += len(some)
            if not is_over and len(some) < self.rows_at_once:
                yield None


def spoken(engine: GenerationEngine, *, has_codes: bool = True) -> Spoken:
    """A judge's model as it is spoken to; see `Spoken`."""
    kind = SpokenOneByOne if isinstance(engine, OneByOneEngine) else Spoken
    return kind(engine, has_codes=has_codes)
