"""Python code that comes with a model: it is run where a recipe allows it by its digest, and nowhere else.

A file of the directory names it in `auto_map`. The digest covers every Python file there, as any may import another.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from rilctl.artifacts.digests import canonical_json
from rilctl.artifacts.layout import MOST_JSON_BYTES, read_regular, walk_files
from rilctl.artifacts.sealed import unreadable
from rilctl.artifacts.weight_files import refuse_elsewhere
from rilctl.errors import ModelError


def check_code(path: Path, allowed: str | None) -> bool:
    """Whether the code of a model directory is run.

    Args:
        path: the directory.
        allowed: the digest that the recipe allows, if any.

    Raises:
        ModelError: the recipe allows other code than is there, or the code lies in another repository.
    """
    if allowed is None:
        return False
    named = list(_named(path))
    if not named:
        raise ModelError(f"{path} has no code of its own, and the recipe allows some", hint="take `code` out")
    if elsewhere := [name for name in named if "--" in name]:
        raise ModelError(
            f"{path} names code of another repository: `{elsewhere[0]}`", hint="copy that code into the directory"
        )
    if (found := _digest(path)) != allowed:
        raise ModelError(
            f"the code in {path} is not what the recipe allows: `{found}`, not `{allowed}`", hint=code_hint(path)
        )
    return True


def brings_code(path: Path) -> bool:
    """Whether a file of a model directory names Python code, which the library would run."""
    return any(True for _ in _named(path))


def code_hint(path: Path) -> str:
    """What to do about a model that needs code of its own."""
    return (
        "take a model of an architecture that transformers has; or read the Python files in the directory, then allow "
        f'them to a teacher or judge: `code = "{_digest(path)}"` beside its `model`'
    )


def read_code(directory: Path) -> dict[str, bytes]:
    """The Python files of a model directory, by name. Raises `ArtifactError` where one can't be read."""
    code = {}
    for name, file in walk_files(directory):
        if name.endswith(".py") and not any(part.startswith(".") for part in name.split("/")):
            refuse_elsewhere(directory, file)
            try:
                code[name] = read_regular(file, most_bytes=MOST_JSON_BYTES)
            except OSError as error:
                raise unreadable(file, error) from error
    return code


def without_code(texts: Mapping[str, bytes]) -> dict[str, bytes]:
    """A model's texts without the words that name code; those that have none keep their bytes."""
    return {name: _unnamed(text) if b"auto_map" in text else text for name, text in texts.items()}


def _unnamed(text: bytes) -> bytes:
    try:
        content = json.loads(text, object_pairs_hook=lambda pairs: {k: v for k, v in pairs if k != "auto_map"})
    except (ValueError, RecursionError):
        return text  # whoever reads it says so
    return json.dumps(content, indent=2).encode() + b"\n"


def _digest(directory: Path) -> str:
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in read_code(directory).items()}
    return f"sha256:{hashlib.sha256(canonical_json(digests)).hexdigest()}"


def _named(path: Path) -> Iterator[str]:
    """Every class that a file of the directory says is in code of its own."""
    for file in path.glob("*.json"):
        try:
            waiting: list[object] = [json.loads(read_regular(file, most_bytes=MOST_JSON_BYTES))]
        except (OSError, ValueError, RecursionError):
            continue  # whoever reads it says so
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                yield from _strings(part.get("auto_map"))
                waiting += part.values()
            elif isinstance(part, list):
                waiting += part


def _strings(value: object) -> Iterator[str]:
    """The texts in an `auto_map`, which holds one, a list, or those of several kinds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
