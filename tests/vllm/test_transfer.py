"""vLLM's own weight transfer, as far as it goes without a GPU: what vLLM's trainer side is told of our weights."""

import pytest
import torch
from vllm.distributed.weight_transfer import WeightSource, WeightTransferTrainerFactory
from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo
from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.generation.vllm.http import ServerHttp
from rilctl.engines.generation.vllm.transfer import GpuTransfer, _source
from rilctl.models.weights import policy_weights

from .conftest import load_policy


def transfer(url: str) -> GpuTransfer:
    engine = VllmServerEngineConfig(url=url, transfer="nccl", nccl_address="127.0.0.1")
    return GpuTransfer(engine, ServerHttp(engine, print))


def test_a_source_names_every_weight_and_gives_the_present_ones():
    policy = load_policy()
    sender = transfer("http://127.0.0.1:9")
    sender._weights = lambda: policy_weights(policy, torch.bfloat16)
    source = _source(sender)
    assert isinstance(source, WeightSource)
    metadata = [(each.name, each.dtype, tuple(each.shape)) for each in source.metadata()]
    assert metadata == [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in source]
    assert len(metadata) == 57 and "lm_head.weight" in dict(source)
    before = dict(source)["lm_head.weight"].clone()
    with torch.no_grad():
        policy.lm_head.weight += 1
    assert (dict(source)["lm_head.weight"] != before).all()


@pytest.mark.parametrize("info", [NCCLTrainerInitInfo("127.0.0.1", 29600, 2, rank=0), IPCTrainerInitInfo(rank=0)])
def test_vllm_knows_the_transfers_and_what_they_begin_with(info):
    assert info.is_sender
    assert WeightTransferTrainerFactory._registry[info.backend]
