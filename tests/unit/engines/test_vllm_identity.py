"""Which vLLM server it is, what it was started with, and who follows it."""

import json
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.backend import WITNESS, Answer, Ask
from rilctl.engines.generation.vllm.rollouts import VllmRollouts, WeightsLostError
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure

from .conftest import SAMPLING, double, is_sampling, nudge, num_loads, requests, table, tokens


def test_a_server_that_was_started_again_is_another(rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint):
    assert rollouts.state is None
    rollouts.update(0)
    first = rollouts.state
    rollouts.update(1)
    assert rollouts.state is not None and first is not None
    assert rollouts.state.identity == first.identity and rollouts.state.version != first.version
    double(server).restart()
    rollouts.update(1)
    assert rollouts.state.identity != first.identity
    pixels = [call for call in server.calls if call.body.get("method") == "rilctl_pixels"]
    assert len(pixels) == 2  # once for each server: it may have been started with other options


def test_another_process_follows_the_one_that_sends(policy: Vlm, rollouts: VllmRollouts, server: ScriptedEndpoint):
    nudge(policy, 1)
    rollouts.update(3)
    expected = tokens(rollouts.generate(requests(), SAMPLING))
    assert rollouts.state is not None
    shared = open_rollouts(policy, KeptPrompts(policy), table(server), Path(), rank=1, num_ranks=2)
    with closing(shared) as follower:
        assert isinstance(follower, VllmRollouts)
        assert follower.rows_at_once == 32 * 2
        with pytest.raises(RuntimeError, match="`update` or `follow` comes first"):
            follower.generate(requests(), SAMPLING)
        num_sent = num_loads(server)
        follower.follow(rollouts.state)
        assert tokens(follower.generate(requests(), SAMPLING)) == expected
        died, answered = list[Call](), threading.Semaphore(0)
        backend: Any = follower.started()[0]
        answer = backend._answer

        def noted(ask: Ask, *arguments: Any) -> Answer:
            found: Answer = answer(ask, *arguments)
            if not ask.pictures:
                answered.release()
            return found

        def die_once(call: Call) -> Wire | None:
            if call.path == "/inference/v1/generate" and call.body["content_parts"] and not died:
                died.append(call)
                assert all(answered.acquire(timeout=30) for _ in range(2))  # the question without a picture
                double(server).restart()
                return failure(503, "going down")
            return None

        double(server).trouble, backend._answer = die_once, noted
        before = len(server.calls)
        for _ in range(2):  # what comes after it died is by other weights
            with pytest.raises(WeightsLostError):
                follower.generate(requests(), SAMPLING)
        assert num_loads(server) == num_sent
        rollouts.update(3)
        follower.follow(rollouts.state)
        assert tokens(follower.generate(requests(), SAMPLING)) == expected
        asked = [call for call in server.calls[before:] if call.path == "/inference/v1/generate" and is_sampling(call)]
        seeds = [call.body["sampling_params"]["seed"] for call in asked[:2]]
        same = [c for c in asked if c.body["token_ids"] == asked[0].body["token_ids"]]
        assert sorted(seeds) == [0, 1] and len(same) == 2  # what came before is kept


def test_what_is_sampled_while_weights_change_bears_no_policys_name(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    names: list[str] = []

    def trouble(call: Call) -> Wire | None:
        if call.body.get("method") == "reload_weights":
            names.append(double(server)._version)
        return None

    double(server).trouble = trouble
    rollouts.update(1)
    assert names == ["loading"]


@pytest.mark.parametrize(
    ("boot", "expected"),
    [
        ({"dtype": "bfloat16"}, "vLLM runs in bfloat16, and the model is asked for in float32"),
        ({"quantization": "fp8"}, "vLLM quantizes the weights (`fp8`)"),
        ({"boot_id": None}, "vLLM's workers don't say who they are: KeyError: 'boot_id'"),
    ],
    ids=["dtype", "quantization", "older"],
)
def test_a_server_that_makes_something_else_of_weights_is_not_given_any(
    boot: dict, expected: str, rollouts: VllmRollouts, server: ScriptedEndpoint
):
    said = double(server).worker("rilctl_boot", {}) | boot
    reply = {"results": [{key: value for key, value in said.items() if (key, value) != ("boot_id", None)}]}
    double(server).trouble = lambda c: (
        Wire(json.dumps(reply).encode()) if c.body.get("method") == "rilctl_boot" else None
    )
    with pytest.raises(EngineError, match=re.escape(expected)):
        rollouts.update(0)
    assert num_loads(server) == 0


@pytest.mark.parametrize(
    "why",
    [
        "Method 'rilctl_boot' is not implemented.",
        "Worker failed with error ''CPUWorker' object has no attribute 'rilctl_boot'', please check the stack trace",
    ],
    ids=["one process", "several"],
)
def test_a_server_without_the_witness_is_not_given_any(why: str, rollouts: VllmRollouts, server: ScriptedEndpoint):
    said = f"Call to collective_rpc method failed: {why}"
    double(server).trouble = lambda c: failure(500, said) if c.body.get("method") == "rilctl_boot" else None
    with pytest.raises(EngineError, match="can't say which weights it holds") as error:
        rollouts.update(0)
    assert WITNESS in (error.value.hint or "") and num_loads(server) == 0


@pytest.mark.parametrize(("started_with", "wanted"), [(None, "nccl"), ("ipc", "nccl"), ("nccl", "ipc")])
def test_a_server_without_the_recipes_weight_transfer_is_refused_at_once(
    started_with: str | None, wanted: str, policy: Vlm, server: ScriptedEndpoint
):
    double(server).transfer = started_with
    config = table(server, transfer=wanted, nccl_address="127.0.0.1")
    with (
        closing(open_rollouts(policy, KeptPrompts(policy), config, Path())) as engine,
        pytest.raises(EngineError, match=f"was started without weight transfer over {wanted}") as error,
    ):
        engine.update(0)
    assert f'--weight-transfer-config \'{{"backend": "{wanted}"}}\'' in (error.value.hint or "")
