"""What to do where a phase of a verb that trains runs out of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from rilctl.clock import timed
from rilctl.config.recipe import Verb
from rilctl.errors import OutOfMemoryError
from rilctl.private.torch import is_out_of_host_memory

_DIVIDE = "raise `{table}.engine.zero_stage`, or set `{table}.engine.offload`"
_TRAIN = "lower `{table}.engine.tokens_per_micro_batch`, set `{table}.engine.gradient_checkpointing = true`, or "
_SAMPLE = "lower `{table}.generation.rows_per_batch` or `{table}.sampling.max_new_tokens`"
Costly = Literal["loading", "rollouts", "discriminator update", "policy update", "update", "validation", "writing"]
"""Phases in which memory may run out."""
_REMEDIES: dict[Costly, str] = {
    "loading": _DIVIDE + ', train an adapter (`{table}.lora`), or take `student.dtype = "bfloat16"`',
    "rollouts": _SAMPLE,
    "discriminator update": _TRAIN + _DIVIDE,
    "policy update": _TRAIN + _DIVIDE,
    "update": _TRAIN + _DIVIDE,
    "validation": _SAMPLE,
    "writing": _DIVIDE,
}


@contextmanager
def phase(verb: Verb, name: Costly) -> Iterator[None]:
    """What is done inside is a phase of a verb, whose clock is told.

    Raises:
        OutOfMemoryError: in place of what Python or torch raises where there is no more memory.
    """
    try:
        with timed(name):
            yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        remedy = _REMEDIES[name].format(table="sft.preference" if (verb, name) == ("sft", "rollouts") else verb)
        raise OutOfMemoryError(
            f"out of memory in `{verb}`, {name}: {str(error).partition(chr(10))[0]}",
            hint=f"{remedy}; `rilctl {verb} --dry-run` says what each phase needs",
        ) from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was no more memory, on the device or on the host."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or is_out_of_host_memory(error)
