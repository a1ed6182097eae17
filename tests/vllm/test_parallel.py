"""Servers of two processes: a model cut in two, and two models. Every worker and every replica gets the weights."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.spread import STRICT_NATS
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.generation_contract import EngineUnderTest

from .conftest import Server, load_policy, nudge, trainer_logprobs

SAMPLING = SamplingConfig(max_new_tokens=10, temperature=0.7)


@pytest.fixture(params=["tensor", "data"])
def server_of_two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    export_untied(load_policy(), tmp_path, torch.float32)
    running = Server(tmp_path, tmp_path / "server.log", f"--{request.param}-parallel-size", "2")
    running.start()
    running.wait()
    yield running
    running.kill()


def test_each_update_reaches_all_that_sample(server_of_two: Server):
    policy = load_policy()
    requests = [EngineUnderTest(None).request(number, range(4)) for number in range(8)]  # type: ignore[arg-type]
    with closing(open_rollouts(policy, KeptPrompts(policy), server_of_two.engine(), Path(), warn=print)) as engine:
        for step in range(2):
            nudge(policy, seed=step, size=0.3)
            assert engine.update(step)["sync/logprob_error"] <= STRICT_NATS
            for asked, answer in zip(requests, engine.generate(requests, SAMPLING), strict=True):
                assert isinstance(answer, tuple), answer
                ours = trainer_logprobs(policy, asked, answer, SAMPLING.temperature, policy.banned_ids)
                for row, expected in zip(answer, ours, strict=True):  # 32 rows: both replicas have some
                    assert row.sampling_logprobs == pytest.approx(expected, abs=STRICT_NATS)
