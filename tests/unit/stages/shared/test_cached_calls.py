from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from rilctl.artifacts.calls import CallCache
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.errors import ArtifactError, RowError
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.stages.shared.pending import response_key
from rilctl.testing.scripted import ScriptedGeneration

SAMPLING = SamplingConfig(max_new_tokens=64)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CallCache]:
    with CallCache(tmp_path) as opened:
        yield opened


def request(name: str, seeds: tuple[int, ...], *images: ImageRef) -> GenerationRequest:
    return GenerationRequest(name, Conversation.of(f"question {name}", images), seeds)


def echo(asked: GenerationRequest, seed: int) -> str:
    return f"{asked.question} {seed}"


def ask(
    engine: ScriptedGeneration,
    cache: CallCache,
    requests: Sequence[GenerationRequest],
    *,
    chunk: int = 2,
    sampling: SamplingConfig = SAMPLING,
) -> list[tuple[Response, ...] | RowError]:
    return list(cached_responses(engine, cache, requests, sampling, chunk=chunk, on_chunk=lambda _: None))


def texts(answers: Sequence[tuple[Response, ...] | RowError]) -> list[list[str]]:
    return [[response.text for response in answer] for answer in answers if not isinstance(answer, RowError)]


def test_a_rerun_asks_nothing_and_gives_the_same(cache: CallCache) -> None:
    requests = [request(name, (1, 2)) for name in "abc"]
    first = ask(ScriptedGeneration(echo), cache, requests)
    engine = ScriptedGeneration(echo)
    assert ask(engine, cache, requests) == first
    assert texts(first)[2] == ["question c 1", "question c 2"]
    assert engine.asked == []


def test_more_responses_ask_only_for_the_new_ones(cache: CallCache) -> None:
    ask(ScriptedGeneration(echo), cache, [request("a", (1, 2))])
    engine = ScriptedGeneration(echo)
    answers = ask(engine, cache, [request("a", (3, 1, 4, 2))])
    assert texts(answers) == [["question a 3", "question a 1", "question a 4", "question a 2"]]
    assert [asked.seeds for asked in engine.asked] == [(3, 4)]


def test_a_request_without_seeds_has_no_responses(cache: CallCache) -> None:
    engine = ScriptedGeneration(echo)
    assert ask(engine, cache, [request("a", ())]) == [()]
    assert engine.asked == []


def test_ids_and_paths_are_no_part_of_the_key_but_everything_else_is(cache: CallCache, tmp_path: Path) -> None:
    first, copy, other = tmp_path / "1.bin", tmp_path / "copy.bin", tmp_path / "2.bin"
    first.write_bytes(_png(0))
    copy.write_bytes(_png(0))
    other.write_bytes(_png(9))
    base = GenerationRequest("a", Conversation.of("question", (ImageRef(first, "first"),)), (1,))
    ask(ScriptedGeneration(echo), cache, [base])

    def is_asked_again(changed: GenerationRequest, engine_digest: str, sampling: SamplingConfig) -> bool:
        engine = ScriptedGeneration(echo, model_digest=engine_digest)
        ask(engine, cache, [changed], sampling=sampling)
        return bool(engine.asked)

    same = GenerationRequest("b", Conversation.of("question", (ImageRef(copy, "copy"),)), (1,))
    assert not is_asked_again(same, "scripted", SAMPLING)
    assert is_asked_again(base, "another model", SAMPLING)
    assert is_asked_again(base, "scripted", SamplingConfig(max_new_tokens=64, temperature=0.5))
    assert is_asked_again(GenerationRequest("a", Conversation.of("Question", base.images), (1,)), "scripted", SAMPLING)
    assert is_asked_again(GenerationRequest("a", Conversation.of("question", base.images), (2,)), "scripted", SAMPLING)
    assert is_asked_again(
        GenerationRequest("a", Conversation.of("question", (ImageRef(other, "other"),)), (1,)), "scripted", SAMPLING
    )
    assert is_asked_again(GenerationRequest("a", Conversation.of("question"), (1,)), "scripted", SAMPLING)


def test_row_errors_are_given_in_place_and_asked_again(cache: CallCache) -> None:
    requests = [request("a", (1,)), request("bad", (1,)), request("c", (1,))]
    answers = ask(ScriptedGeneration({"question a": "x", "question c": "y"}), cache, requests, chunk=3)
    assert texts(answers) == [["x"], ["y"]]
    assert isinstance(answers[1], RowError) and answers[1].reason == "not-scripted"
    engine = ScriptedGeneration({"question bad": "z"})
    assert texts(ask(engine, cache, requests, chunk=3)) == [["x"], ["z"], ["y"]]
    assert [asked.sample_id for asked in engine.asked] == ["bad"]


def test_an_image_that_is_gone_and_a_question_that_is_no_text_are_row_errors(cache: CallCache, tmp_path: Path) -> None:
    gone = ImageRef(tmp_path / "gone.png", "gone.png")
    broken = GenerationRequest("s", Conversation.of("\ud800"), (1,))
    answers = ask(ScriptedGeneration(echo), cache, [request("a", (1,), gone), broken])
    assert [answer.reason for answer in answers if isinstance(answer, RowError)] == ["image-missing", "text-invalid"]


def test_a_chunk_is_stored_whole_or_not_at_all(cache: CallCache) -> None:
    requests = [request(name, (1,)) for name in "abcd"]

    def dies_at_d(asked: GenerationRequest, seed: int) -> str:
        if asked.sample_id == "d":
            raise KeyboardInterrupt
        return echo(asked, seed)

    chunks: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        list(
            cached_responses(
                ScriptedGeneration(dies_at_d),
                cache,
                requests,
                SAMPLING,
                chunk=2,
                on_chunk=lambda num: chunks.append(num),
            )
        )
    engine = ScriptedGeneration(echo)
    ask(engine, cache, requests)
    assert chunks == [2]
    assert [asked.sample_id for asked in engine.asked] == ["c", "d"]


def test_on_chunk_may_stop_and_nothing_is_lost(cache: CallCache) -> None:
    requests = [request(name, (1,)) for name in "abc"]

    class Stop(Exception):
        pass

    def stop(_: int) -> None:
        raise Stop

    given = []
    with pytest.raises(Stop):
        for answer in cached_responses(ScriptedGeneration(echo), cache, requests, SAMPLING, chunk=2, on_chunk=stop):
            given.append(answer)
    engine = ScriptedGeneration(echo)
    ask(engine, cache, requests)
    assert len(given) == 2
    assert [asked.sample_id for asked in engine.asked] == ["c"]


def _png(shade: int) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (2, 2), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "changes",
    [{"text": None}, {"token_ids": ["1"]}, {"usage": [1]}, {"finish_reason": "why"}, {"extra": 1}, {"text": 5}],
)
def test_a_stored_answer_of_another_shape_is_refused_by_name(tmp_path: Path, changes: dict[str, JsonValue]) -> None:
    asked = request("a", (1,))
    key = response_key(ScriptedGeneration(echo).model_digest, asked, SAMPLING, 1)
    stored = {"text": "t", "token_ids": [1], "finish_reason": "stop", "sampling_logprobs": [-0.5]}
    with CallCache(tmp_path) as cache:
        cache.put_many({key: {**stored, **changes}})
        with pytest.raises(ArtifactError, match=f"answer `{key[:12]}` is no response: `{next(iter(changes))}"):
            ask(ScriptedGeneration(echo), cache, [asked])
