"""What every generation engine must do, whatever runs inside: checks for an engine that is ready to answer.

`for check in CHECKS: check(engine)` is the contract. Engines are asked questions about a picture if they are told to.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, OneByOneEngine, Response
from rilctl.errors import RowError

MAX_NEW_TOKENS = 6


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine, and what it can see.

    Args:
        engine: ready to answer.
        sees: whether it takes pictures.
        is_seeded: whether a seed decides a response; an endpoint may ignore it.
    """

    engine: GenerationEngine
    sees: bool = True
    is_seeded: bool = True

    def ask(
        self, *requests: GenerationRequest, temperature: float = 1.0, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[tuple[Response, ...] | RowError]:
        """Answers with a small budget."""
        sampling = SamplingConfig(max_new_tokens=max_new_tokens, temperature=temperature)
        return self.engine.generate(requests, sampling)

    def request(self, number: int, seeds: Sequence[int]) -> GenerationRequest:
        """A question of its own for each number, with a picture for odd ones."""
        images = (_picture(number),) if self.sees and number % 2 else ()
        return GenerationRequest(f"q{number}", Conversation.of(f"what is {number} plus 1?", images), tuple(seeds))


def answers_come_in_order_one_for_each_seed(under_test: EngineUnderTest) -> None:
    """As many responses as seeds, for each request in its place."""
    answers = under_test.ask(*(under_test.request(number, range(number)) for number in range(4)))
    assert [len(_responses(answer)) for answer in answers] == [0, 1, 2, 3]


def nothing_asked_is_nothing_answered(under_test: EngineUnderTest) -> None:
    """No request, no response, no error."""
    assert under_test.ask() == []


def a_response_keeps_to_its_budget(under_test: EngineUnderTest) -> None:
    """At most `max_new_tokens`, `length` only where they were spent; token ids come with their log-probabilities."""
    for answer in under_test.ask(*(under_test.request(number, (1, 2)) for number in range(3))):
        for response in _responses(answer):
            assert response.finish_reason in ("stop", "length")
            if response.num_tokens is not None:
                assert 0 <= response.num_tokens <= MAX_NEW_TOKENS
                assert response.finish_reason == "stop" or response.num_tokens == MAX_NEW_TOKENS
            if response.token_ids is None:
                assert response.sampling_logprobs is None
            else:
                assert response.sampling_logprobs is not None
                assert len(response.token_ids) == len(response.sampling_logprobs)
                assert all(logprob <= 1e-6 for logprob in response.sampling_logprobs)
                assert response.token_ids or response.text == ""


def a_bad_picture_is_an_error_of_its_row(under_test: EngineUnderTest) -> None:
    """The others are answered; no exception ends the batch."""
    broken = ImageRef(b"no picture", "broken.png")
    bad = GenerationRequest("bad", Conversation.of("what is this?", (broken,)), (1,))
    first, error, last = under_test.ask(under_test.request(0, (1,)), bad, under_test.request(2, (1,)))
    assert len(_responses(first)) == len(_responses(last)) == 1
    assert isinstance(error, RowError) and error.reason == "image-invalid"


def a_seed_decides_its_response(under_test: EngineUnderTest) -> None:
    """The same alone, among others and again; others for other seeds."""
    if not under_test.is_seeded:
        return
    (together,) = under_test.ask(under_test.request(1, (5, 6, 7, 8)))
    alone, among = (
        under_test.ask(under_test.request(1, (6,)))[0],
        under_test.ask(under_test.request(2, (1, 2)), under_test.request(1, (8, 6)), under_test.request(3, (3,)))[1],
    )
    responses = _responses(together)
    assert _responses(alone)[0].text == responses[1].text == _responses(among)[1].text
    assert _responses(among)[0].text == responses[3].text
    assert len({response.text for response in responses}) > 1


def it_says_who_it_is(under_test: EngineUnderTest) -> None:
    """Name and digest are texts that stay the same."""
    engine = under_test.engine
    assert engine.model_name and engine.model_digest == engine.model_digest
    assert engine.rows_at_once > 0


def answers_one_by_one_are_the_same_answers(under_test: EngineUnderTest) -> None:
    """An engine that hands answers over as they come hands over each of them once, and says what has none."""
    engine = under_test.engine
    if not isinstance(engine, OneByOneEngine):
        return
    kept: dict[tuple[int, int], Response | RowError] = {}
    bad = GenerationRequest("bad", Conversation.of("what is this?", (ImageRef(b"no picture", "broken.png"),)), (1,))
    requests = [under_test.request(0, (1, 2)), bad, under_test.request(2, (3,))]
    sampling = SamplingConfig(max_new_tokens=MAX_NEW_TOKENS)
    ahead = [requests[0], None, *requests[1:]]  # for a moment there is nothing to ask
    for came in engine.answers(ahead, sampling, check_stop=lambda: None):
        assert not came.keys() & kept.keys()
        kept.update(came)
    assert sorted(kept) == [(0, 0), (0, 1), (1, 0), (2, 0)]
    assert [key for key, answer in kept.items() if isinstance(answer, RowError)] == [(1, 0)]


CHECKS: tuple[Callable[[EngineUnderTest], None], ...] = (
    answers_come_in_order_one_for_each_seed,
    nothing_asked_is_nothing_answered,
    a_response_keeps_to_its_budget,
    a_bad_picture_is_an_error_of_its_row,
    a_seed_decides_its_response,
    it_says_who_it_is,
    answers_one_by_one_are_the_same_answers,
)


def _responses(answer: tuple[Response, ...] | RowError) -> tuple[Response, ...]:
    assert not isinstance(answer, RowError), f"{answer.reason}: {answer.message}"
    return answer


def _picture(number: int) -> ImageRef:
    buffer = io.BytesIO()
    Image.new("RGB", (56, 56), (number * 37 % 256, 80, 120)).save(buffer, "PNG")
    return ImageRef(buffer.getvalue(), f"picture {number}")
