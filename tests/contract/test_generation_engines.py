"""Fake and real generation engines pass one contract; vLLM and `transformers serve` do in sessions of their own."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation
from rilctl.engines.generation.openai import open_endpoint
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion
from rilctl.testing.generation_contract import CHECKS, EngineUnderTest
from rilctl.testing.scripted import ScriptedGeneration


@pytest.fixture(scope="module")
def scripted() -> EngineUnderTest:
    def answer(request: GenerationRequest, seed: int) -> str:
        return _babble(request.question, seed)

    return EngineUnderTest(ScriptedGeneration(answer))


@pytest.fixture(scope="module")
def hf(pristine: Path) -> Iterator[EngineUnderTest]:
    config = ModelConfig(model=str(pristine / "student"))
    with closing(open_generation(config, HfEngineConfig(device="cpu", rows_per_batch=3), Path())) as engine:
        yield EngineUnderTest(engine)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[EngineUnderTest]:
    def script(call: Call) -> Wire:
        text, budget = _babble(call.text, call.body["seed"]), call.body["max_tokens"]
        return completion(text[:budget], finish_reason="length" if len(text) >= budget else "stop")

    with (
        ScriptedEndpoint(script) as server,
        closing(open_endpoint("model", EndpointConfig(url=server.url), Path())) as engine,
    ):
        yield EngineUnderTest(engine)


@pytest.mark.parametrize("kind", ["scripted", "hf", "endpoint"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_generation_engines(
    kind: str, check: Callable[[EngineUnderTest], None], request: pytest.FixtureRequest
) -> None:
    check(request.getfixturevalue(kind))


def _babble(question: str, seed: int) -> str:
    dice = random.Random(f"{question}{seed}")
    return "".join(dice.choice("abc") for _ in range(dice.randrange(1, 9)))
