"""How the weights of a model that trains, or that others stand on, get from the disk to the devices of all ranks.

One role after another, rank 0 reads it into host memory, and gives each tensor in turn to the others: no file is read
twice, no host holds several copies, and under ZeRO-3, where each rank keeps its part, no device ever holds a model.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from rilctl.config.engines import DeepspeedEngineConfig, TrainingEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.training.ranks import Ranks
from rilctl.engines.training.zero import divide
from rilctl.errors import RilctlError, UsageError
from rilctl.models.loaded.vlm import DTYPES, Vlm, load_vlm
from rilctl.private.deepspeed import is_divided

HOST = torch.device("cpu")


def load_role(
    config: ModelConfig,
    *,
    engine: TrainingEngineConfig,
    base_dir: Path,
    device: torch.device,
    all_train: bool,
    ranks: Ranks,
) -> Vlm:
    """A model as it is read: with DeepSpeed it waits for `place_role` in host memory, without weights but on rank 0.

    Args:
        config: see `load_vlm`.
        engine: which engine trains.
        base_dir: see `load_vlm`.
        device: where the weights go at last.
        all_train: all weights do.
        ranks: this process among those that train.

    Raises:
        ModelError: see `load_vlm`.
        UsageError: the engine can't train this model.
    """
    trainable = all_train and not engine.keeps_masters
    if not isinstance(engine, DeepspeedEngineConfig):
        return load_vlm(config, base_dir=base_dir, device=device, trainable=trainable)
    vlm = load_vlm(config, base_dir=base_dir, device=HOST, trainable=trainable, reads_weights=ranks.is_main)
    if vlm.dtype == DTYPES["float16"]:
        raise UsageError("DeepSpeed trains in float32 or bfloat16", hint='set `student.dtype = "bfloat16"`')
    if not vlm.family.shares_prompts and engine.zero_stage == 3:
        raise UsageError(
            f"{vlm.source.name} is of a family that runs its layers once for each prompt, which ZeRO-3 can't follow",
            hint="set `engine.zero_stage` to 2",
        )
    return vlm


def place_role(vlm: Vlm, engine: TrainingEngineConfig, *, device: torch.device, ranks: Ranks) -> None:
    """Take weights, buffers and adapters from the host to the device, as rank 0 has them. Collective.

    Nothing is done where DeepSpeed doesn't train: the model is there.

    Args:
        vlm: with all adapters that it will have.
        engine: which engine trains.
        device: of this process.
        ranks: this process among those that train.

    Raises:
        RilctlError: the ranks don't have the same model.
    """
    if not isinstance(engine, DeepspeedEngineConfig):
        return
    _agree(vlm.model, ranks)
    if engine.zero_stage == 3:
        divide(vlm.model, engine)
    whole = [parameter for parameter in vlm.model.parameters() if not is_divided(parameter)]
    for tensor in (*whole, *vlm.model.buffers()):
        tensor.data = tensor.data.to(device)
        _spread([tensor], ranks)


def _agree(model: nn.Module, ranks: Ranks) -> None:
    """Other ranks set aside room in the precision that rank 0 found: the library keeps some weights in float32, say."""
    own = {name: (str(tensor.dtype), list(tensor.shape)) for name, tensor in _tensors(model)}
    if ranks.size == 1:
        return
    theirs = ranks.gather(own if ranks.is_main else None)[0] or {}
    with ranks.together():
        if {name: shape for name, (_, shape) in theirs.items()} != {name: shape for name, (_, shape) in own.items()}:
            raise RilctlError(
                "this rank's model has other tensors than that of rank 0",
                hint="give all hosts the same model directory and the same version of transformers",
            )
    for name, tensor in _tensors(model):
        dtype = getattr(torch, theirs[name][0].removeprefix("torch."))
        if tensor.dtype != dtype:
            tensor.data = torch.empty_like(tensor.data, dtype=dtype)


def _tensors(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _spread(tensors: Iterable[Tensor], ranks: Ranks) -> None:
    """Rank 0's values everywhere, in place. Collective."""
    if ranks.size > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.data.reshape(-1).view(torch.uint8), 0)  # no backend minds bytes
