"""Which running vLLM this is, and which weights it samples from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rilctl.errors import EngineError


@dataclass(frozen=True)
class Boot:
    """What a running vLLM is from its start to its end.

    Args:
        identity: of all its workers; a server that was started again has another.
        dtype: precision of its weights and activations.
        quantization: how it stores them instead; None: as they are.
        transfer: backend of its weight transfer; None: it was started without one.
    """

    identity: str
    dtype: str
    quantization: str | None
    transfer: str | None


@dataclass(frozen=True)
class ServerState:
    """What answers are compared with: a server, and what it was last proven to sample from.

    Args:
        identity: see `Boot`.
        version: name of the weights, which each answer bears.
    """

    identity: str
    version: str


def read_boot(replies: Sequence[Mapping[str, Any]]) -> Boot:
    """What the workers say of themselves (`Witness.rilctl_boot`). Raises `EngineError` where that can't be read."""
    try:
        first = replies[0]
        identity = "+".join(str(reply["boot_id"]) for reply in replies)
        return Boot(identity, first["dtype"], first["quantization"], first["transfer"])
    except (LookupError, TypeError) as error:
        raise EngineError(
            f"vLLM's workers don't say who they are: {type(error).__name__}: {error}",
            hint="install the same version of rilctl beside vLLM, and restart it",
        ) from error


def check_boot(boot: Boot, dtype: str, *, is_quantized: bool = False) -> None:
    """Raise `EngineError` where a server makes something else of the weights that it is given.

    Args:
        boot: the server.
        dtype: that its weights should have.
        is_quantized: whether the model's own files are.
    """
    if boot.dtype != dtype:
        raise EngineError(
            f"vLLM runs in {boot.dtype}, and the model is asked for in {dtype}",
            hint=f"start the server with `--dtype {dtype}`, or set the model's `dtype`",
        )
    if boot.quantization is not None and not is_quantized:
        raise EngineError(
            f"vLLM quantizes the weights (`{boot.quantization}`), and the model's files don't",
            hint="start the server without `--quantization`",
        )


def digest_of(checksums: Mapping[str, str]) -> str:
    """Of all weights: part of their name, so that a name tells what it stands for."""
    return hashlib.sha256(json.dumps(dict(checksums), sort_keys=True).encode()).hexdigest()[:16]
