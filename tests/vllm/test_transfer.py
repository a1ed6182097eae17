"""vLLM's own weight transfer, as far as it goes without a GPU: all of it, with a store in the place of NCCL."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from vllm.distributed.weight_transfer import WeightTransferTrainerFactory, nccl_engine
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.generation.vllm.spread import STRICT_NATS
from rilctl.engines.ports import hold_port
from rilctl.errors import EngineError
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.generation_contract import EngineUnderTest

from .conftest import Server, load_policy, nudge, trainer_logprobs

SAMPLING = SamplingConfig(max_new_tokens=10, temperature=0.7)


@pytest.mark.parametrize("info", [NCCLTrainerInitInfo("127.0.0.1", 29600, 2, rank=0), IPCTrainerInitInfo(rank=0)])
def test_vllm_knows_the_transfers_and_what_they_begin_with(info):
    assert info.is_sender
    assert WeightTransferTrainerFactory._registry[info.backend]


@pytest.fixture(scope="module")
def with_transfer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("with-transfer")
    export_untied(load_policy(), directory, torch.float32)
    options = ["--weight-transfer-config", '{"backend": "nccl"}']
    options += ["--worker-extension-cls", "tests.vllm.store_transfer.StoreWitness"]
    running = Server(directory, directory / "server.log", *options)
    running.start()
    yield running
    running.kill()


@dataclass(frozen=True)
class Sampled:
    """A policy, and what samples from it."""

    policy: Vlm
    engine: VllmRollouts

    def updated(self, step: int) -> None:
        """Sent, proven, and sampled from."""
        nudge(self.policy, seed=step, size=0.2)
        measured = self.engine.update(step)
        assert measured["sync/num_tensors"] == 57
        request = EngineUnderTest(None).request(1, range(4))  # type: ignore[arg-type]
        (answer,) = self.engine.generate([request], SAMPLING)
        assert isinstance(answer, tuple), answer
        ours = trainer_logprobs(self.policy, request, answer, SAMPLING.temperature, self.policy.banned_ids)
        for row, expected in zip(answer, ours, strict=True):
            assert row.sampling_logprobs == pytest.approx(expected, abs=STRICT_NATS)


@pytest.fixture
def timeout_s() -> float:
    """Long: nothing but workers that are stuck is given up by it."""
    return 120.0


@pytest.fixture
def rollouts(with_transfer: Server, timeout_s: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sampled]:
    from .store_transfer import StoreGroup, StoreSender

    monkeypatch.setitem(WeightTransferTrainerFactory._registry, "nccl", lambda: StoreSender)
    monkeypatch.setattr(
        nccl_engine,
        "open_trainer_endpoint",
        lambda info: StoreGroup(info.master_address, info.master_port, 0, info.world_size),
    )
    with_transfer.wait()
    policy = load_policy()
    keys = {"nccl_address": "127.0.0.1", "nccl_port": hold_port(), "timeout_s": timeout_s}
    config = with_transfer.engine(transfer="nccl", **keys)
    with closing(open_rollouts(policy, KeptPrompts(policy), config, Path(), warn=print)) as engine:
        assert isinstance(engine, VllmRollouts)
        yield Sampled(policy, engine)


def test_a_restarted_server_joins_a_new_group(rollouts: Sampled, with_transfer: Server):
    rollouts.updated(1)
    rollouts.updated(2)
    with_transfer.kill()
    with_transfer.start()
    rollouts.updated(3)


def test_a_server_killed_while_it_takes_the_weights_joins_a_new_group(
    rollouts: Sampled, with_transfer: Server, monkeypatch: pytest.MonkeyPatch
):
    from .store_transfer import StoreGroup

    rollouts.updated(4)
    broadcast, num_sent = StoreGroup.broadcast, []

    def kill_at_the_tenth(group: StoreGroup, tensor: torch.Tensor) -> torch.Tensor:
        num_sent.append(1)
        if len(num_sent) == 10:
            with_transfer.kill()
            with_transfer.start()
        return broadcast(group, tensor)

    monkeypatch.setattr(StoreGroup, "broadcast", kill_at_the_tenth)
    rollouts.updated(5)
    assert len(num_sent) > 57


@pytest.mark.parametrize("timeout_s", [20.0])
def test_workers_that_are_stuck_end_the_run_in_time_and_the_next_one_goes_on(
    rollouts: Sampled, with_transfer: Server, monkeypatch: pytest.MonkeyPatch
):
    """A broadcast of which the trainer keeps the last tensor: the server is healthy, and waits."""
    from .store_transfer import StoreGroup

    rollouts.updated(6)
    aborted, broadcast, num_sent = threading.Event(), StoreGroup.broadcast, []

    def stop_at_the_tenth(group: StoreGroup, tensor: torch.Tensor) -> torch.Tensor:
        num_sent.append(1)
        if len(num_sent) == 10:
            assert aborted.wait(200)
            raise RuntimeError("NCCL error: unhandled system error")
        return broadcast(group, tensor)

    with monkeypatch.context() as patch:
        patch.setattr(StoreGroup, "broadcast", stop_at_the_tenth)
        patch.setattr(StoreGroup, "destroy", lambda group: aborted.set())
        began = time.monotonic()
        with pytest.raises(EngineError, match="is healthy, and does not take the weights within 20 s"):
            rollouts.engine.update(7)
        assert time.monotonic() - began < 100
    with_transfer.kill()
    with_transfer.start()
    rollouts.updated(8)


def test_a_server_that_is_frozen_ends_the_run_in_time(rollouts: Sampled, with_transfer: Server):
    rollouts.updated(9)
    assert with_transfer.process is not None
    os.killpg(with_transfer.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    threading.Timer(15, os.killpg, (with_transfer.process.pid, signal.SIGCONT)).start()
    rollouts.updated(10)  # it is waited for, as one that is gone
    assert time.monotonic() - began >= 15
