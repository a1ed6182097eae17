"""What a trainer does when a weight transfer hangs: a server's double over HTTP, and a group in the place of NCCL's.

`Sender` does what vLLM's NCCL trainer does, in its order and with its threads: it waits in a broadcast until the
workers have the weights, without a limit. tests/vllm/test_transfer.py has vLLM's own.
"""

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.config.fields import LoraConfig, ModelConfig, SamplingConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm import gpu_transfer, sender
from rilctl.engines.generation.vllm import rollouts as rollouts_module
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.generation.vllm.watched import WatchedClient
from rilctl.errors import EngineError
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.loaded.weights import Weights, export_untied, policy_weights, weight_shapes, write_shards
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, failure
from rilctl.testing.generation_contract import EngineUnderTest
from rilctl.testing.small_vlms import build_small_vlm
from rilctl.testing.vllm_double import VllmDouble

SAMPLING = SamplingConfig(max_new_tokens=6)


class Group:
    """Both ends of a broadcast: what is sent waits until it is received, or the group is taken down."""

    def __init__(self) -> None:
        self.sent: queue.Queue[dict[str, torch.Tensor]] = queue.Queue()
        self.received, self.aborted = threading.Event(), threading.Event()
        self.lets_go = True

    def broadcast(self, weights: Weights) -> None:
        self.received.clear()
        self.sent.put(dict(weights))
        while not self.received.wait(0.01):
            if self.aborted.is_set() and self.lets_go:
                raise RuntimeError("NCCL error: remote process exited or there was a network error")


class ReceivingDouble(VllmDouble):
    """A server that was started with weight transfer."""

    group: Group | None = None
    scratch: Path

    def _routes(self, call: Call) -> Any:
        match call.path:
            case "/get_world_size":
                return {"world_size": 1}
            case "/init_weight_transfer_engine":
                self.group = GROUPS[-1]
            case "/update_weights":
                assert self.group is not None
                weights = self.group.sent.get(timeout=20)
                assert [[name, str(t.dtype)[6:], list(t.shape)] for name, t in weights.items()] == [
                    list(each) for each in zip(*call.body["update_info"].values(), strict=True)
                ]
                write_shards(iter(weights.items()), self.scratch)
                self.worker("reload_weights", {"weights_path": str(self.scratch)})
                self.group.received.set()
        return super()._routes(call)


GROUPS: list[Group] = []


class PlainClient:
    """The four methods of vLLM's client."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _post(self, path: str, body: dict[str, Any] | None = None) -> None:
        try:
            httpx2.post(f"{self._url}/{path}", json=body, timeout=30).raise_for_status()
        except httpx2.HTTPError as error:
            raise OSError(str(error)) from error  # as `requests` does

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        self._post("init_weight_transfer_engine", {"init_info": init_info})

    def start_weight_update(self) -> None:
        self._post("start_weight_update")

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self._post("update_weights", {"update_info": update_info})

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        self._post("finish_weight_update")


class Sender:
    def __init__(
        self, client: WatchedClient, weights: Callable[[], Weights], shapes: Callable[[], Weights], *, lets_go: bool
    ) -> None:
        self._client, self._weights, self._shapes = client, weights, shapes
        self._group = Group()
        self._group.lets_go = lets_go
        GROUPS.append(self._group)
        client.init_weight_transfer_engine({"world_size": 2})

    def send_weights(self) -> None:
        meta = list(self._shapes())
        names, dtypes = [name for name, _ in meta], [str(tensor.dtype)[6:] for _, tensor in meta]
        info = {"names": names, "dtype_names": dtypes, "shapes": [list(tensor.shape) for _, tensor in meta]}
        self._client.start_weight_update()
        executor = ThreadPoolExecutor(max_workers=1)
        try:
            future = executor.submit(self._client.update_weights, info)
            self._group.broadcast(self._weights())
            future.result()
        finally:
            executor.shutdown(wait=False)
        self._client.finish_weight_update()

    def shutdown(self) -> None:
        self._group.aborted.set()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("model") / "student")


@pytest.fixture
def policy(model: Path) -> Vlm:
    return load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"), trainable=True)


@pytest.fixture
def lets_go(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a group that is taken down ends the broadcast; vLLM's place is taken."""
    values = [True]
    GROUPS.clear()
    monkeypatch.setattr(gpu_transfer, "open_client", lambda engine: WatchedClient(PlainClient(engine.url)))
    monkeypatch.setattr(
        gpu_transfer, "open_sender", lambda _, client, num, *streams: Sender(client, *streams, lets_go=values[0])
    )
    monkeypatch.setattr(gpu_transfer, "LOOK_S", 0.1)
    monkeypatch.setattr(gpu_transfer, "LEAVE_S", 2.0)
    return values


@pytest.fixture
def server(model: Path, policy: Vlm, tmp_path: Path, lets_go: list[bool]) -> Iterator[ScriptedEndpoint]:
    export_untied(policy, tmp_path / "served", torch.float32)
    double = ReceivingDouble(tmp_path / "served", transfer="nccl")
    double.scratch = tmp_path / "received"
    export_untied(policy, double.scratch, torch.float32)
    with ScriptedEndpoint(double) as running:
        yield running


@pytest.fixture
def timeout_s() -> float:
    """Long: nothing but a server that is healthy and stuck is given up by it."""
    return 60.0


@pytest.fixture
def rollouts(policy: Vlm, server: ScriptedEndpoint, timeout_s: float) -> Iterator[VllmRollouts]:
    where = {"url": f"http://127.0.0.1:{server.port}", "nccl_address": "127.0.0.1"}
    config = VllmServerEngineConfig(**where, transfer="nccl", timeout_s=timeout_s, start_timeout_s=30)
    with closing(open_rollouts(policy, KeptPrompts(policy), config, Path())) as engine:
        assert isinstance(engine, VllmRollouts)
        yield engine


def double(server: ScriptedEndpoint) -> ReceivingDouble:
    assert isinstance(server.script, ReceivingDouble)
    return server.script


def nudge(policy: Vlm, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.1 * parameter.std(correction=0) * torch.randn(parameter.shape, generator=generator)


def test_every_update_goes_through_one_group_and_takes_each_checksum_once(
    rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
):
    taken: list[int] = []
    checksum = rollouts_module.checksum

    def counted(tensor: torch.Tensor) -> str:
        taken.append(tensor.numel())
        return checksum(tensor)

    monkeypatch.setattr(rollouts_module, "checksum", counted)
    for step in range(2):
        nudge(policy, step)
        taken.clear()
        assert rollouts.update(step)["sync/logprob_error"] < 1e-5
        assert len(taken) == len(list(policy_weights(policy, torch.float32)))
    assert len(GROUPS) == 1


@pytest.mark.parametrize("has_adapter", [False, True], ids=["full", "lora"])
def test_shapes_are_those_of_the_weights_and_no_weight_is_read(policy: Vlm, has_adapter: bool):
    role = with_adapter(policy, LoraConfig(rank=2), adapter="policy", seed=0) if has_adapter else policy
    for dtype in (torch.bfloat16, torch.float32):
        shapes = list(weight_shapes(role, dtype))
        assert all(tensor.is_meta for _, tensor in shapes)
        assert [(name, tensor.dtype, tensor.shape) for name, tensor in shapes] == [
            (name, tensor.dtype, tensor.shape) for name, tensor in policy_weights(role, dtype)
        ]


def test_a_server_that_was_started_again_is_given_a_new_group(
    rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint
):
    rollouts.update(0)
    double(server).restart()
    double(server).group = None
    nudge(policy, 1)
    assert rollouts.update(1)["sync/logprob_error"] < 1e-5
    assert len(GROUPS) == 2 and GROUPS[0].aborted.is_set()


def test_a_server_that_answers_500_while_the_trainer_broadcasts_is_left_and_given_a_new_group(
    rollouts: VllmRollouts, policy: Vlm, server: ScriptedEndpoint
):
    rollouts.update(0)
    restarted: list[float] = []

    def trouble(call: Call) -> Wire | None:
        if call.path == "/update_weights" and not restarted:
            restarted.append(time.monotonic())
            double(server).restart()
            return failure(500, "NCCL weight transfer not initialized. Call init_transfer_engine() first.")
        return None

    double(server).trouble = trouble
    nudge(policy, 1)
    assert rollouts.update(1)["sync/logprob_error"] < 1e-5
    assert len(GROUPS) == 2 and time.monotonic() - restarted[0] < 50


def test_a_server_that_dies_while_the_trainer_broadcasts_is_left(rollouts: VllmRollouts, server: ScriptedEndpoint):
    rollouts.update(0)
    died = threading.Event()

    def trouble(call: Call) -> Wire | None:
        if call.path == "/update_weights" and not died.is_set():
            died.set()
            return Wire(b"{}", delay_s=6)
        if died.is_set() and len(GROUPS) == 1 and call.path == "/health" and not GROUPS[0].aborted.is_set():
            return failure(503)
        return None

    double(server).trouble = trouble
    rollouts.update(1)
    assert len(GROUPS) == 2


@pytest.mark.parametrize("timeout_s", [8.0])
def test_a_server_that_never_takes_the_weights_ends_the_run_in_time(rollouts: VllmRollouts, server: ScriptedEndpoint):
    double(server).trouble = lambda call: Wire(b"{}", delay_s=12) if call.path == "/update_weights" else None
    began = time.monotonic()
    with pytest.raises(EngineError, match="is healthy, and does not take the weights within 8 s"):
        rollouts.update(0)
    assert time.monotonic() - began < 60
    assert len(GROUPS) == 1  # a second one would hang as well


def test_a_broadcast_that_does_not_let_go_ends_the_run_with_its_cause(
    rollouts: VllmRollouts, server: ScriptedEndpoint, lets_go: list[bool]
):
    lets_go[0] = False
    double(server).trouble = lambda call: failure(500, "out of memory") if call.path == "/update_weights" else None
    with pytest.raises(EngineError, match="500 .*; and nccl does not let go of this process"):
        rollouts.update(0)


def test_a_process_whose_threads_are_stuck_still_ends_with_its_exit_code(tmp_path: Path):
    """One thread in a call that never returns, and one of an executor, for which Python waits at its end."""
    script = tmp_path / "stuck.py"
    script.write_text(
        """\
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from rilctl.engines.generation.vllm.watched import Call, WatchedClient

class Client:
    def start_weight_update(self):
        threading.Event().wait()

client = WatchedClient(Client())
executor = ThreadPoolExecutor(1)
executor.submit(client.start_weight_update)
assert not Call(threading.Event().wait).has_ended(within_s=0.5)
client.give_up()
sys.exit(3)
"""
    )
    assert subprocess.run([sys.executable, str(script)], timeout=60, check=False).returncode == 3


def test_a_group_that_a_dead_trainer_left_in_mid_update_is_taken_down_first(
    rollouts: VllmRollouts, server: ScriptedEndpoint
):
    active = [True]

    def trouble(call: Call) -> Wire | None:
        if call.path == "/shutdown_weight_transfer_engine" and active[0]:
            return failure(500, "Cannot release a trainer connection during a weight update")
        if call.path == "/finish_weight_update":
            active[0] = False
        return None

    double(server).trouble = trouble
    rollouts.update(0)
    phases = [call.path for call in server.calls if re.search("weight_(transfer|update)|update_weights", call.path)]
    assert phases == [
        "/shutdown_weight_transfer_engine",
        "/finish_weight_update",
        "/shutdown_weight_transfer_engine",
        "/init_weight_transfer_engine",
        "/start_weight_update",
        "/update_weights",
        "/finish_weight_update",
    ]


def test_rows_come_from_the_weights_that_were_sent(rollouts: VllmRollouts, policy: Vlm):
    request = EngineUnderTest(None).request(1, range(4))  # type: ignore[arg-type]
    seen = set()
    for step in range(2):
        nudge(policy, step)
        rollouts.update(step)
        (answer,) = rollouts.generate([request], SAMPLING)
        assert isinstance(answer, tuple)
        seen.add(tuple(row.token_ids for row in answer))
    assert len(seen) == 2


def test_a_request_outlasts_the_watch_over_its_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a server that is healthy and stuck would count as gone, by whichever of the two waits ends first."""
    waits: list[float] = []
    monkeypatch.setattr(sender, "transfer_client", lambda url, timeout_s: waits.append(timeout_s))
    monkeypatch.setattr(sender, "require", lambda library: None)
    config = VllmServerEngineConfig(url="http://127.0.0.1:1", transfer="ipc", timeout_s=8)
    sender.open_client(config)
    assert waits[0] > config.timeout_s + 2 * gpu_transfer.LOOK_S
