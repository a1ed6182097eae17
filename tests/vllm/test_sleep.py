"""vLLM in this process gives the GPU back between rollouts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.vllm.local import LocalVllm
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.generation_contract import EngineUnderTest

from .conftest import LOCAL

SAMPLING = SamplingConfig(max_new_tokens=10, temperature=0.7)
NOTED = ("enqueue", "sleep", "wake_up", "collective_rpc", "reset_prefix_cache", "reset_mm_cache")


@pytest.fixture
def sleeper(local_policy: Vlm, tmp_path: Path) -> Iterator[VllmRollouts]:
    def start() -> tuple[LocalVllm, Reader]:
        export_untied(local_policy, tmp_path, torch.float32)
        prompts = KeptPrompts(local_policy)
        reader = Reader(local_policy, prompts, local_policy.stop_ids, local_policy.banned_ids, LOCAL.max_images)
        return LocalVllm(tmp_path, "float32", LOCAL, updates=True, sleeps=True), reader

    engine = VllmRollouts(local_policy, start, num_places=LOCAL.rows_per_batch, dtype="float32")
    yield engine
    engine.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What vLLM is told from now on."""
    from vllm import LLM

    told: list[tuple[object, ...]] = []

    def noted(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def note(*args: object, **named: object) -> object:
            told.append((name, *(value for key, value in named.items() if key in ("level", "tags"))))
            return call(*args, **named)

        return note

    for name in NOTED:
        monkeypatch.setattr(LLM, name, noted(name, getattr(LLM, name)))
    return told


def test_vllm_sleeps_after_rollouts_and_wakes_for_weights_first(sleeper: VllmRollouts, calls: list) -> None:
    """On a CPU vLLM takes both calls and does nothing; their order is what a GPU needs."""
    under_test = EngineUnderTest(None)  # type: ignore[arg-type]
    requests = [under_test.request(number, range(number, number + 4)) for number in range(2)]
    sleeper.update(0)
    calls.clear()
    expected = sleeper.generate(requests, SAMPLING)
    assert calls == [*[("enqueue",)] * 8, ("sleep", 2)]  # one for each response
    calls.clear()
    sleeper.update(1)
    assert [call for call in calls if call[0] != "collective_rpc"][:5] == [
        ("wake_up", ["weights"]),
        ("wake_up", ["kv_cache"]),
        ("reset_prefix_cache",),
        ("reset_mm_cache",),
        ("enqueue",),  # the proof's questions
    ]
    reload = calls.index(("wake_up", ["weights"])) + 1
    assert calls[reload : reload + 2] == [("collective_rpc",), ("wake_up", ["kv_cache"])]
    assert [[row.token_ids for row in answer] for answer in sleeper.generate(requests, SAMPLING)] == [
        [row.token_ids for row in answer] for answer in expected
    ]
