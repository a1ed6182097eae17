"""Which files of a model directory hold its weights: those that every loader reads, and no others may lie there.

A loader takes `model.safetensors`, or else the files that `model.safetensors.index.json` names; an adapter and a
discriminator's head have one file each. Whatever else looks like weights would be verified and never used, or be used
by another library and never verified; pickled weights run code when they are opened. So all of that is refused.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rilctl.artifacts.layout import MOST_JSON_BYTES, NOT_CONTENT, read_regular, walk_files
from rilctl.artifacts.sealed import unreadable
from rilctl.errors import ArtifactError

WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
ADAPTER: Final = "adapter_model.safetensors"
HEAD: Final = "head.safetensors"
PARTS: Final = {ADAPTER: "adapter_config.json", HEAD: "discriminator.json"}
"""The weights of an adapter and of a discriminator's head, and what says that they are read."""
_PICKLED: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".nemo"})
_OTHERS: Final = frozenset({".safetensors", ".h5", ".msgpack", ".onnx", ".gguf", ".ggml", ".npz", ".npy", ".ot"})
_HINT: Final = "copy the model again"


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights of a model, an adapter or a discriminator, sorted.

    Raises:
        ArtifactError: another file that looks like weights lies there, a link leads out, or the index names what isn't
            a file beside it.
    """
    found = read_by_loader(directory)
    refuse_unread(directory, {file.name for file in found})
    return found


def read_by_loader(directory: Path) -> list[Path]:
    """The same of a snapshot of the hub, where other files may lie: which commit it is says what is read.

    Raises:
        ArtifactError: a link leads out, or the index names what isn't a file beside it.
    """
    found = [directory / name for name in sorted(_names(directory))]
    for file in found:
        refuse_elsewhere(directory, file)
        if not file.is_file():
            raise ArtifactError(f"`{file}` can't be read: is no regular file", hint=_HINT)
    return found


def refuse_unread(directory: Path, names: set[str]) -> None:
    """Raise `ArtifactError` where a file looks like weights and isn't among these: what it holds is not the model."""
    for name, file in _content(directory):
        if file.suffix in _PICKLED or name.endswith(".bin.index.json"):
            raise ArtifactError(
                f"`{file}` is in a format that runs code when it is opened; nothing reads it",
                hint="move it away; weights are read from safetensors alone, so convert them if there are none",
            )
        is_index = name.endswith(".safetensors.index.json") and (name != INDEX or WEIGHTS in names)
        if (file.suffix in _OTHERS and name not in names) or is_index:
            raise ArtifactError(
                f"`{file}` holds weights that nothing reads: the model is {_shown(names)}", hint="move it away"
            )


def refuse_elsewhere(directory: Path, file: Path) -> None:
    """Raise `ArtifactError` where a file of a model is a link that leads out of its directory.

    A snapshot in the hub's cache has all of its files in `blobs` beside it.
    """
    try:
        target, home = file.resolve(), directory.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise ArtifactError(f"`{file}` can't be read: {error}", hint=_HINT) from error
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else None
    if not target.is_relative_to(home) and target.parent != blobs:
        raise ArtifactError(
            f"`{file}` is a link to `{target}`, outside of the model", hint="put a copy in the link's place"
        )


def _names(directory: Path) -> set[str]:
    """What the loader reads of a directory."""
    parts = {name for name, about in PARTS.items() if all(os.path.lexists(directory / each) for each in (name, about))}
    if os.path.lexists(directory / WEIGHTS):
        return parts - {ADAPTER} | {WEIGHTS}
    index = directory / INDEX
    return parts - {ADAPTER} | _named_by(index) if os.path.lexists(index) else parts


def _named_by(index: Path) -> set[str]:
    try:
        refuse_elsewhere(index.parent, index)
        found = json.loads(read_regular(index, most_bytes=MOST_JSON_BYTES))
    except OSError as error:
        raise unreadable(index, error, hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"`{index}` is no valid JSON: {error}", hint=_HINT) from error
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not names:
        raise ArtifactError(f"`{index}` has no `weight_map`", hint=_HINT)
    for name in names.values():
        if not isinstance(name, str) or "/" in name or "\\" in name or name.startswith("."):
            raise ArtifactError(f"`{index}` names `{name}`, which is no file beside it", hint=_HINT)
        if not name.endswith(".safetensors") or name == WEIGHTS or name in PARTS:
            raise ArtifactError(f"`{index}` names `{name}`, which is no shard of the model", hint=_HINT)
        if not (index.parent / name).is_file():
            raise ArtifactError(f"`{index}` names `{name}`, which is missing or no regular file", hint=_HINT)
    return {*names.values()}


def _content(directory: Path) -> Iterator[tuple[str, Path]]:
    """Files that belong to the model: hidden ones, and what a run notes beside it, don't."""
    try:
        for name, path in walk_files(directory):
            parts = name.split("/")
            if parts[0] not in NOT_CONTENT and not any(part.startswith(".") for part in parts):
                yield name, path
    except OSError as error:
        raise unreadable(directory, error, hint=_HINT) from error


def _shown(names: set[str]) -> str:
    shown = sorted(names)
    return "nowhere" if not shown else ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")
