"""vLLM's NCCL transfer with a store in the place of NCCL, on both sides: the four phases, vLLM's checks and HTTP run.

A server's workers take it with `--worker-extension-cls tests.vllm.store_transfer.StoreWitness`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from vllm.distributed.utils import StatelessProcessGroup
from vllm.distributed.weight_transfer import WeightTransferEngineFactory
from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource
from vllm.distributed.weight_transfer.nccl_engine import (
    NCCLTrainerWeightTransferEngine,
    NCCLWeightTransferEngine,
    NCCLWeightTransferInitInfo,
    NCCLWeightTransferUpdateInfo,
)

from rilctl.engines.generation.vllm.witness import Witness


class StoreGroup:
    """What a communicator of vLLM's is asked for."""

    def __init__(self, address: str, port: int, rank: int, world_size: int) -> None:
        self._group: Any = StatelessProcessGroup.create(address, port, rank, world_size, store_timeout=60)

    def broadcast(self, tensor: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self._group.broadcast(tensor, src=0)
        return found

    def destroy(self) -> None:
        self._group = None


class StoreReceiver(NCCLWeightTransferEngine):
    def init_transfer_engine(self, init_info: NCCLWeightTransferInitInfo) -> None:
        assert init_info.master_address is not None and init_info.master_port is not None
        rank = self.parallel_config.rank + init_info.rank_offset
        group = StoreGroup(init_info.master_address, init_info.master_port, rank, init_info.world_size)
        self.model_update_group = group  # type: ignore[assignment]

    def update_weights(self, update_info: dict[str, Any]) -> None:
        info = self.parse_update_info(update_info)
        assert isinstance(info, NCCLWeightTransferUpdateInfo)
        if self.model_update_group is None:
            raise RuntimeError("NCCL weight transfer not initialized. Call init_transfer_engine() first.")
        for name, dtype_name, shape in zip(info.names, info.dtype_names, info.shapes, strict=True):
            empty = torch.empty(shape, dtype=getattr(torch, dtype_name))
            self.model.load_weights([(name, self.model_update_group.broadcast(empty))])  # type: ignore[arg-type]


class StoreSender(NCCLTrainerWeightTransferEngine):
    def _broadcast(self, source: WeightSource, meta: list[ParamMeta]) -> None:
        pairs: Iterator[tuple[str, torch.Tensor]] = self._checked_iter(source, meta)
        for _, tensor in pairs:
            self.model_update_group.broadcast(tensor)  # type: ignore[union-attr, call-arg]


class StoreWitness(Witness):
    """rilctl's, in a worker whose `nccl` is the one of this file."""


WeightTransferEngineFactory._registry["nccl"] = lambda: StoreReceiver
