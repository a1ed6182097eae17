"""A small policy, and the double of a vLLM server that samples from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.endpoint import Call, ScriptedEndpoint
from rilctl.testing.generation_contract import EngineUnderTest
from rilctl.testing.small_vlms import build_small_vlm
from rilctl.testing.vllm_double import VllmDouble

SAMPLING = SamplingConfig(max_new_tokens=6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("model") / "student")


@pytest.fixture
def policy(model: Path) -> Vlm:
    return load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"), trainable=True)


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    vlm = load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"))
    export_untied(vlm, model.parent / "served", torch.float32)
    return model.parent / "served"


@pytest.fixture
def server(exported: Path) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint(VllmDouble(exported)) as running:
        yield running


def table(server: ScriptedEndpoint, **keys: object) -> VllmServerEngineConfig:
    url = f"http://127.0.0.1:{server.port}"
    return VllmServerEngineConfig(url=url, start_timeout_s=30, rows_per_batch=4, **keys)


@pytest.fixture
def rollouts(policy: Vlm, server: ScriptedEndpoint) -> Iterator[VllmRollouts]:
    engine = open_rollouts(policy, KeptPrompts(policy), table(server), Path())
    assert isinstance(engine, VllmRollouts)
    yield engine
    engine.close()


def double(server: ScriptedEndpoint) -> VllmDouble:
    assert isinstance(server.script, VllmDouble)
    return server.script


def nudge(policy: Vlm, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.1 * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator)


def requests(num: int = 3, num_seeds: int = 2):
    return [EngineUnderTest(None).request(number, range(num_seeds)) for number in range(num)]  # type: ignore[arg-type]


def tokens(answers: list) -> list:
    return [[row.token_ids for row in answer] for answer in answers]


def num_loads(server: ScriptedEndpoint) -> int:
    return sum(call.body.get("method") == "reload_weights" for call in server.calls)


def is_sampling(call: Call) -> bool:
    return bool(call.body["sampling_params"]["max_tokens"] == SAMPLING.max_new_tokens)
