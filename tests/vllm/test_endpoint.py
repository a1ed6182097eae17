"""vLLM's server as any other endpoint: teachers and judges reach it by texts alone."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.openai import OpenAiGeneration, open_endpoint
from rilctl.engines.judging.prompt import VERDICT_SCHEMA
from rilctl.errors import InputError, RowError
from rilctl.testing.generation_contract import CHECKS, EngineUnderTest


def endpoint_at(server, **fields: Any) -> EndpointConfig:
    return EndpointConfig(url=f"{server.url}/v1", **fields)


@pytest.fixture(scope="module")
def endpoint(server) -> Iterator[OpenAiGeneration]:
    server.wait()
    with closing(open_endpoint(str(server.model), endpoint_at(server), Path())) as engine:
        yield engine


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_endpoint_passes_what_every_generation_engine_passes(
    endpoint: OpenAiGeneration, check: Callable[[EngineUnderTest], None]
) -> None:
    check(EngineUnderTest(endpoint))


def test_tokens_are_counted(endpoint: OpenAiGeneration) -> None:
    ((response,),) = endpoint.generate(
        [GenerationRequest("q", Conversation.of("read"), (1,))], SamplingConfig(max_new_tokens=8)
    )
    assert response.usage is not None and 0 < response.usage.output_tokens <= 8 < response.usage.input_tokens


def test_a_reply_is_bound_to_the_verdicts_schema(server) -> None:
    """A pocket model finds no end, but whatever it says is the beginning of what `verdict_form = "json"` reads."""
    server.wait()
    head = '{"case":"'
    texts = {}
    for name, extra_body in (("bound", {"response_format": VERDICT_SCHEMA}), ("free", {})):
        with closing(open_endpoint(str(server.model), endpoint_at(server, extra_body=extra_body), Path())) as engine:
            request = GenerationRequest("judge", Conversation.of("is it right?"), tuple(range(16)))
            (answers,) = engine.generate([request], SamplingConfig(max_new_tokens=160, temperature=1.0))
        assert not isinstance(answers, RowError)
        texts[name] = {re.sub(r"\s", "", response.text) for response in answers}
    assert len(texts["bound"]) > 1
    assert all(text[: len(head)] == head[: len(text)] for text in texts["bound"])
    assert not any(text.startswith("{") for text in texts["free"])


def test_an_unknown_model_is_an_input_error(server) -> None:
    server.wait()
    with (
        closing(open_endpoint("no-such-model", endpoint_at(server), Path())) as engine,
        pytest.raises(InputError, match="no chat completions of `no-such-model`"),
    ):
        engine.generate([GenerationRequest("q", Conversation.of("read"), (1,))], SamplingConfig(max_new_tokens=8))
