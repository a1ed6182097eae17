"""A policy's weights on their way to an engine that samples from a copy: names, export, checksums."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from rilctl.artifacts.model_files import write_texts
from rilctl.artifacts.weight_files import INDEX, read_by_loader
from rilctl.models.loaded.lora import merged_state_dict
from rilctl.models.loaded.saving import saving
from rilctl.models.loaded.vlm import Vlm, under_published_names

SHARD_BYTES = 4 << 30
CHUNK = {"cpu": 1 << 15, "cuda": 1 << 22}
"""Elements that are widened to 64 bits at once; on a CPU they and what is made of them must fit its cache."""
_ODD = 0x9E3779B97F4A7C15 - (1 << 64)
"""Spreads a position over 64 bits; odd, so that no position loses any."""

Weights = Iterator[tuple[str, Tensor]]
"""(name in a checkpoint, tensor), each once."""


def policy_weights(vlm: Vlm, dtype: torch.dtype) -> Weights:
    """All weights under their names in a checkpoint, the adapter merged, the head explicit.

    Tied weights come twice: an engine that loads a checkpoint without a head into a model that has one keeps its old
    head and says nothing.

    Args:
        vlm: the policy.
        dtype: of the engine; the weights themselves stay as they are.
    """
    return _as_in_checkpoint(vlm, merged_state_dict(vlm.model, vlm.adapter), dtype)


def weight_shapes(vlm: Vlm, dtype: torch.dtype) -> Weights:
    """Names, dtypes and shapes of `policy_weights` in the same order, of tensors without data: none is read."""
    state = merged_state_dict(vlm.model, None)
    return _as_in_checkpoint(vlm, {name: torch.empty_like(t, device="meta") for name, t in state.items()}, dtype)


@torch.no_grad()
def _as_in_checkpoint(vlm: Vlm, state: dict[str, Tensor], dtype: torch.dtype) -> Weights:
    for name, tensor in under_published_names(vlm, state).items():
        yield name, tensor.detach().to(dtype) if tensor.is_floating_point() else tensor.detach()


def export_untied(vlm: Vlm, directory: Path, dtype: torch.dtype) -> None:
    """Write a directory that engines load, with a head of its own where the policy's is its embedding."""
    export_files(vlm, directory)
    write_shards(policy_weights(vlm, dtype), directory)


def export_files(vlm: Vlm, directory: Path) -> None:
    """All of `export_untied` but the weights: tokenizer and processor as they came, a configuration that unties."""
    directory.mkdir(parents=True, exist_ok=True)
    config = json.loads(vlm.texts["config.json"])
    for part in (config, config.get("text_config", {})):
        part["tie_word_embeddings"] = False
    with saving(directory):
        write_texts(vlm.texts, directory)
        (directory / "config.json").write_text(json.dumps(config, indent=2))


def write_shards(weights: Iterable[tuple[str, Tensor]], directory: Path) -> None:
    """Write safetensors files and their index; shards of an earlier export are replaced."""
    shard: dict[str, Tensor] = {}
    file_of: dict[str, str] = {}
    num_bytes = num_shards = 0

    def flush() -> None:
        nonlocal num_bytes, num_shards
        name = f"model-{num_shards:05d}.safetensors"
        with saving(directory / name):
            save_file(shard, directory / name, metadata={"format": "pt"})
        file_of.update(dict.fromkeys(shard, name))
        shard.clear()
        num_bytes, num_shards = 0, num_shards + 1

    for name, tensor in weights:
        if num_bytes and num_bytes + tensor.nbytes > SHARD_BYTES:
            flush()
        shard[name] = tensor.cpu().clone()  # files hold no tensor twice, unlike tied models
        num_bytes += tensor.nbytes
    flush()
    for old in directory.glob("model*.safetensors"):
        if old.name not in file_of.values():
            old.unlink()
    with saving(directory / INDEX):
        (directory / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": file_of}))
    mode = (directory / INDEX).stat().st_mode & 0o666  # as the umask has it; the library lets the owner alone read
    for name in set(file_of.values()):
        (directory / name).chmod(mode)


def names_in_files(directory: Path) -> Iterator[str]:
    """Names of the weights in a model directory; no weight is read."""
    for file in read_by_loader(directory):
        with safe_open(file, framework="pt") as tensors:
            yield from tensors.keys()


def file_checksums(directory: Path, device: torch.device) -> dict[str, str]:
    """Checksum of each weight in a model directory, by its name there.

    Args:
        directory: in the Hugging Face layout, with safetensors.
        device: that computes them; a GPU is several hundred times faster.
    """
    found: dict[str, str] = {}
    for file in read_by_loader(directory):
        with safe_open(file, framework="pt") as tensors:
            found |= {name: checksum(tensors.get_tensor(name), device) for name in tensors.keys()}  # noqa: SIM118
    return found


@torch.no_grad()
def checksum(tensor: Tensor, device: torch.device | None = None) -> str:
    """128 bits over a tensor's bits and their order, the same on every device; its shape doesn't count.

    Two sums of 64-bit integers, which wrap: of the elements' bits, and of the bits mixed with their position.

    Args:
        tensor: of any kind.
        device: that computes them; None: where the tensor is.
    """
    bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    flat = tensor.detach().contiguous().view(-1).view(bits)
    device = device or flat.device
    plain = torch.zeros((), dtype=torch.int64, device=device)
    mixed = plain.clone()
    chunk = CHUNK.get(device.type, CHUNK["cuda"])
    for start in range(0, len(flat), chunk):
        wide = flat[start : start + chunk].to(device).long()
        position = torch.arange(start + 1, start + 1 + len(wide), device=device) * _ODD
        plain += wide.sum()
        mixed += ((wide ^ position) * (position | 1)).sum()
    return "".join(f"{int(total) % (1 << 64):016x}" for total in (plain, mixed))
