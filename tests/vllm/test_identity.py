"""Which vLLM server it is: another one after a restart, and one that says how it was started."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.open import open_rollouts
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.rollouts import VllmRollouts
from rilctl.engines.generation.vllm.server import VllmServer
from rilctl.engines.generation.vllm.state import Boot
from rilctl.errors import EngineError
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts

from .conftest import Server, load_policy


def boot_of(engine: VllmServerEngineConfig) -> Boot:
    with closing(VllmServer(engine, ServerHttp(engine, print), None)) as backend:
        return backend.boot()


@pytest.fixture
def with_nccl(tmp_path: Path) -> Iterator[Server]:
    export_untied(load_policy(), tmp_path, torch.float32)
    running = Server(tmp_path, tmp_path / "server.log", "--weight-transfer-config", '{"backend": "nccl"}')
    running.start()
    running.wait()
    yield running
    running.kill()


def test_a_restarted_server_is_another_and_says_what_it_was_started_with(with_nccl: Server):
    first = boot_of(with_nccl.engine())
    assert (first.dtype, first.quantization, first.transfer) == ("float32", None, "nccl")
    assert boot_of(with_nccl.engine()) == first
    policy = load_policy()
    with closing(open_rollouts(policy, KeptPrompts(policy), with_nccl.engine(), Path(), warn=print)) as rollouts:
        assert isinstance(rollouts, VllmRollouts)
        rollouts.update(0)
        assert rollouts.state is not None and rollouts.state.identity == first.identity
        with_nccl.kill()
        with_nccl.start()
        rollouts.update(1)
        assert rollouts.state.identity != first.identity
        assert rollouts.state.identity == boot_of(with_nccl.engine()).identity


def test_a_server_without_weight_transfer_is_refused_before_anything_is_sent(server: Server):
    server.wait()
    policy = load_policy()
    config = server.engine(transfer="nccl", nccl_address="127.0.0.1")
    with (
        closing(open_rollouts(policy, KeptPrompts(policy), config, Path(), warn=print)) as rollouts,
        pytest.raises(EngineError, match="was started without weight transfer over nccl"),
    ):
        rollouts.update(0)


def test_a_server_without_the_witness_says_so(tmp_path: Path):
    export_untied(load_policy(), tmp_path, torch.float32)
    running = Server(tmp_path, tmp_path / "server.log")
    running.leave_out("--worker-extension-cls")
    running.start()
    try:
        running.wait()
        with pytest.raises(EngineError, match="can't say which weights it holds"):
            boot_of(running.engine())
    finally:
        running.kill()
