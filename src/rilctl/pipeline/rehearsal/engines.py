"""What computes in a rehearsal: the recipe's engines, on this machine's CPU."""

from dataclasses import dataclass

from rilctl.config.recipe import Verb
from rilctl.pipeline.rehearsal.draft import Draft

_ENGINES = (
    "cache-teacher.engine",
    "judge.engine",
    "sft.engine",
    "pretrain-disc.generation",
    "pretrain-disc.engine",
    "train.generation",
    "train.engine",
    "eval.engine",
)
TRAINED: tuple[Verb, ...] = ("sft", "pretrain-disc", "train")
"""Verbs that several processes can do together."""
_KV_CACHE_BYTES = 1 << 28


@dataclass(frozen=True)
class Machine:
    """What this machine can do.

    Args:
        has_vllm: whether vLLM runs here, on the CPU.
        num_ranks: most processes that train at once.
        has_deepspeed: whether processes can train together.
    """

    has_vllm: bool
    num_ranks: int
    has_deepspeed: bool = True


def move_engines(draft: Draft, machine: Machine) -> None:
    """Everything runs on CPUs; vLLM where it does, too."""
    for key in _ENGINES:
        table = draft.get(key)
        if not isinstance(table, dict):
            continue
        if "device" in table:
            draft.put(f"{key}.device", "cpu")
        if key.split(".")[0] in TRAINED and key.endswith(".engine"):
            draft.put(f"{key}.num_threads", 1)
        if table["type"] == "vllm":
            _local_vllm(draft, key, machine)
        if table.get("transfer") in ("nccl", "ipc"):
            draft.says_replaced(f'`{key}.transfer = "{table["transfer"]}"` by "disk"')
            draft.says_not_proven(f"the transfer of weights over {table['transfer']}")
            draft.put(f"{key}.transfer", "disk")


def _local_vllm(draft: Draft, key: str, machine: Machine) -> None:
    num_gpus = draft.get(f"{key}.num_gpus")
    if num_gpus > 1:
        draft.says_not_proven(f"one model over {num_gpus} GPUs in `{key}` (tensor parallel)")
    *tables, name = key.split(".")
    if machine.has_vllm:
        draft.put(f"{key}.num_gpus", 1)
        draft.put(f"{key}.kv_cache_bytes", _KV_CACHE_BYTES)
        draft.put(f"{key}.max_length_tokens", 4096)
        return
    draft.get(".".join(tables))[name] = {"type": "hf", "rows_per_batch": 32, "device": "cpu"}
    draft.says_replaced(f"vLLM in `{key}` by Hugging Face's generation: no vLLM for CPUs is installed")
