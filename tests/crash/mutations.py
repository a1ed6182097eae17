"""What can happen to files that nobody was to touch: each mutation changes one thing in a directory, and is undone."""

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADDED = {
    "special_tokens_map.json": b'{"eos_token": "a"}',
    "added_tokens.json": b'{"<odd>": 7}',
    "tokenizer.model": b"\x00",
    "generation_config.json.orig": b"{}",
    "rows-00001-of-00002.parquet": b"PAR1PAR1",
    "model-00002-of-00002.safetensors": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
    "additional_chat_templates/tool.jinja": b"{{ messages }}",
    "notes.txt": b"mine",
    ".hidden": b"",
    "copy/manifest.json": b"{}",
}
"""Files that somebody may put beside others; some of them would be loaded with weights."""


def flip(data: bytes, chance: random.Random) -> bytes:
    """One bit is another."""
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(len(data))]


def zero(data: bytes, chance: random.Random) -> bytes:
    """A stretch is zeros, as after a power cut."""
    start = chance.randrange(len(data))
    length = chance.randint(1, 1 + len(data) // 2)
    return data[:start] + bytes(len(data[start : start + length])) + data[start + length :]


def append(data: bytes, chance: random.Random) -> bytes:
    """Something stands at the end."""
    return data + chance.choice([b"\n", b" ", b"\x00" * 16, data[-50:]])


def edit_json(data: bytes, chance: random.Random) -> bytes:
    """One value of a JSON file is another, and all of it is written as it was: an edit by hand."""
    content = json.loads(data)
    leaves = list(_leaves(content))
    holder, key = chance.choice(leaves)
    holder[key] = _another(holder[key], chance)
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + (b"\n" if data.endswith(b"\n") else b"")


def edit_line(data: bytes, chance: random.Random) -> bytes:
    """One value in one line of JSON Lines is another."""
    lines = data.splitlines()
    at = chance.randrange(len(lines))
    row = json.loads(lines[at])
    key = chance.choice(list(row))
    row[key] = _another(row[key], chance)
    return b"\n".join([*lines[:at], json.dumps(row).encode(), *lines[at + 1 :], b""])


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        if isinstance(child, dict | list) and child:
            yield from _leaves(child)
        else:
            yield value, key


def _another(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + chance.choice([1, 40, -1])
    if isinstance(value, str):
        return chance.choice([value + "x", value[:-1] if value else "y", "complete", value[::-1] + "z"])
    return [1]


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {f.__name__: f for f in (flip, cut, zero, append)}


@contextmanager
def changed(file: Path, content: bytes) -> Iterator[None]:
    """A file holds something else meanwhile."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


@contextmanager
def away(path: Path, instead: str | None = None) -> Iterator[None]:
    """A file or folder is elsewhere meanwhile; in its place nothing, a `pipe`, or a `link` to another file."""
    with tempfile.TemporaryDirectory() as elsewhere:
        kept = Path(shutil.move(path, elsewhere))
        if instead == "pipe":
            os.mkfifo(path)
        elif instead == "link":
            path.symlink_to(kept)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            shutil.move(kept, path)


@contextmanager
def added(folder: Path, name: str) -> Iterator[None]:
    """A file more meanwhile."""
    file = folder / name
    is_new_folder = not file.parent.exists()
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(ADDED[name])
    try:
        yield
    finally:
        file.unlink()
        if is_new_folder:
            file.parent.rmdir()
