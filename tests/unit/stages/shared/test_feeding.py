"""An engine that answers one by one, in a time of its own: what it is asked when, and what is kept of it."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import Ahead, Came, GenerationRequest, Response, collected
from rilctl.errors import RowError
from rilctl.stages.shared import feeding
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.stages.shared.pending import Calls, call_keys

SAMPLING = SamplingConfig(max_new_tokens=64)


class Timed:
    """A `OneByOneEngine` with places, whose answers take as many ticks as they have tokens.

    Args:
        num_places: answers under way at once.
        ticks: of a question's answer.
    """

    model_name, model_digest = "timed", "timed"

    def __init__(self, num_places: int, ticks: Callable[[str, int], int] = lambda question, seed: 1) -> None:
        self.rows_at_once, self._num_places, self._ticks = 32 * num_places, num_places, ticks
        self.asked: list[tuple[str, int]] = []
        self.now = self.num_busy = 0
        self.on_ask: Callable[[], object] = lambda: None

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        return collected(self.answers(requests, sampling, check_stop=lambda: None), requests)

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        places: dict[tuple[int, int], tuple[int, str, int]] = {}
        rows, reason = self._rows(requests), None
        while True:
            try:
                if reason is None:
                    check_stop()
                is_over = True
                while reason is None and len(places) < self._num_places:
                    row = next(rows, "over")
                    is_over = row == "over"
                    if not isinstance(row, tuple):
                        break
                    key, question, seed = row
                    self.on_ask()
                    self.asked.append((question, seed))
                    places[key] = self.now + self._ticks(question, seed), question, seed
            except BaseException as error:
                reason = error
            if not places:
                if reason is not None:
                    raise reason
                if is_over:
                    return
                yield {}
                continue
            at = min(end for end, _, _ in places.values())
            self.num_busy += len(places) * (at - self.now)
            self.now = at
            came = {key: _answer(*rest) for key, (end, *rest) in places.items() if end == at}
            for key in came:
                del places[key]
            yield came

    def close(self) -> None: ...

    def _rows(self, requests: Ahead) -> Iterator[tuple[tuple[int, int], str, int] | None]:
        index = 0
        for request in requests:
            if request is None:
                yield None
                continue
            for number, seed in enumerate(request.seeds):
                yield (index, number), request.question, seed
            index += 1


def _answer(question: str, seed: int) -> Response | RowError:
    if question.startswith("bad"):
        return RowError("request-refused", question)
    return Response(f"{question} {seed}", None, "stop", None)


def questions(num: int, num_seeds: int = 1, names: str = "q{}") -> list[GenerationRequest]:
    return [
        GenerationRequest(f"{number}", Conversation.of(names.format(number)), tuple(range(num_seeds)))
        for number in range(num)
    ]


def ask(
    engine: Timed,
    cache: Calls,
    requests: Sequence[GenerationRequest],
    *,
    most: int = 8,
    on_answered: Callable[[int], None] = lambda num: None,
    check_stop: Callable[[], object] = lambda: None,
) -> Iterator[tuple[Response, ...] | RowError]:
    return cached_responses(engine, cache, requests, SAMPLING, chunk=most, on_chunk=on_answered, check_stop=check_stop)


def said(answers: Iterable[tuple[Response, ...] | RowError]) -> list[list[str] | str]:
    return [a.reason if isinstance(a, RowError) else [response.text for response in a] for a in answers]


def stored(cache: CallCache, requests: Sequence[GenerationRequest]) -> set[str]:
    keys = {key: request.question for request in requests for key in call_keys("timed", [(request, SAMPLING)])}
    return {keys[key] for key in cache.get_many([*keys])}


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CallCache]:
    with CallCache(tmp_path) as opened:
        yield opened


def test_places_are_taken_anew_while_the_slowest_is_waited_for_and_the_order_stays(cache: CallCache) -> None:
    engine = Timed(2, lambda question, seed: 5 if question == "q0" else 1)
    requests = questions(6)
    answers = ask(engine, cache, requests)
    assert said(answers) == [[f"q{number} 0"] for number in range(6)]
    assert engine.now == 5  # the other five in the second place meanwhile
    again = Timed(2)
    assert said(ask(again, cache, requests)) == [[f"q{number} 0"] for number in range(6)]
    assert again.asked == []


def test_places_are_busy_by_the_model_of_lengths() -> None:
    """Exponential lengths of 250 tokens, cut at 1,024: batches of 256 that wait for their slowest give 24 %."""
    lengths = {(f"q{number}", seed): _length(16 * number + seed) for number in range(320) for seed in range(16)}
    engine = Timed(256, lambda question, seed: lengths[question, seed])
    answers = list(ask(engine, Others([], gives_up=False), questions(320, 16), most=512))
    assert len(answers) == 320
    assert engine.num_busy == sum(lengths.values())
    assert engine.num_busy / (256 * engine.now) > 0.85


def _length(number: int) -> int:
    return min(1024, 1 + int(random.Random(number).expovariate(1 / 250)))


def test_no_more_is_asked_ahead_than_the_window_has(cache: CallCache) -> None:
    engine = Timed(2, lambda question, seed: 100 if question == "q0" else 1)
    answers = ask(engine, cache, questions(20), most=8)
    assert next(answers)
    assert len(engine.asked) == 8
    assert len(list(answers)) == 19


def test_what_came_is_stored_before_anything_new_is_asked(cache: CallCache) -> None:
    engine, requests = Timed(3), questions(9)
    engine.on_ask = lambda: lost.append(len(engine.asked) - len(stored(cache, requests)))
    lost: list[int] = []
    list(ask(engine, cache, requests))
    assert max(lost) == 2  # with the one that is about to be asked, as many as there are places


@pytest.mark.parametrize("who", ["check_stop", "on_answered", "caller"])
def test_what_is_under_way_when_it_ends_is_kept_and_nothing_new_is_asked(who: str, cache: CallCache) -> None:
    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        if len(engine.asked) >= 6:
            raise Stop

    engine, requests = Timed(3, lambda question, seed: 1 + int(question[1:]) % 3), questions(20)
    hooks = {} if who == "caller" else {who: stop}
    with pytest.raises(Stop):
        for _ in ask(engine, cache, requests, **hooks):
            if who == "caller":
                stop()
    assert 6 <= len(engine.asked) < 12
    assert stored(cache, requests) == {question for question, _ in engine.asked}


def test_an_error_is_its_row_s_alone_and_asked_for_again(cache: CallCache) -> None:
    requests = [*questions(2), *questions(1, 2, "bad"), *questions(3)[2:]]
    answers = said(ask(Timed(2), cache, requests))
    assert answers == [["q0 0"], ["q1 0"], "request-refused", ["q2 0"]]
    again = Timed(2)
    assert said(ask(again, cache, requests)) == answers
    assert again.asked == [("bad", 0), ("bad", 1)]


def test_of_equal_requests_one_is_asked(cache: CallCache) -> None:
    engine = Timed(2, lambda question, seed: 3)
    requests = [*questions(5, names="same"), *questions(5, names="bad")]
    assert said(ask(engine, cache, requests, most=4)) == [["same 0"]] * 5 + ["request-refused"] * 5
    assert engine.asked.count(("same", 0)) == 1


class Others:
    """`ClaimingCalls` of which another command asks for some: it stores one at each look, or gives up."""

    def __init__(self, theirs: Sequence[str], *, gives_up: bool) -> None:
        self.answers: dict[str, JsonValue] = {}
        self.theirs, self._gives_up = list(theirs), gives_up
        self.claimed: set[str] = set()

    def get_many(self, keys: Sequence[str]) -> dict[str, JsonValue]:
        return {key: self.answers[key] for key in keys if key in self.answers}

    def put_many(self, answers: Mapping[str, JsonValue]) -> None:
        assert self.claimed >= answers.keys()
        self.answers |= answers

    def claim(self, keys: Iterable[str]) -> set[str]:
        own = {*keys} - {*self.theirs}
        self.claimed |= own
        if self.theirs:
            key = self.theirs.pop()
            if not self._gives_up:
                self.answers[key] = {"text": "theirs", "token_ids": None, "finish_reason": "stop"} | {
                    "sampling_logprobs": None
                }
        return own

    def release(self, keys: Iterable[str] | None = None) -> None:
        self.claimed -= self.claimed if keys is None else {*keys}


@pytest.mark.parametrize("gives_up", [False, True])
def test_what_others_ask_for_is_waited_for_and_asked_for_when_they_give_up(
    gives_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "LOOK_S", 0.001)
    requests = questions(6)
    theirs = call_keys("timed", [(request, SAMPLING) for request in requests[1:4]])
    calls = Others(theirs, gives_up=gives_up)
    engine = Timed(2)
    answers = said(cached_responses(engine, calls, requests, SAMPLING, chunk=8, on_chunk=lambda num: None))
    waited = [[f"q{number} 0"] if gives_up else ["theirs"] for number in range(1, 4)]
    assert answers == [["q0 0"], *waited, ["q4 0"], ["q5 0"]]
    assert len(engine.asked) == (6 if gives_up else 3)
    assert not calls.claimed


def test_nothing_missing_asks_nothing_whatever_the_window(cache: CallCache) -> None:
    list(ask(Timed(2), cache, questions(50)))
    answered: list[int] = []
    engine = Timed(2)
    assert len(list(ask(engine, cache, questions(50), most=4, on_answered=answered.append))) == 50
    assert engine.asked == [] and sum(answered) == 50
