"""Files that are none, and JSON that is none."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .attack import PAYLOADS, TEXTS, Attack, model_of
from .world import World


def _zero(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _elsewhere(file: Path) -> None:
    file.symlink_to(file.parent.parent / "kept")


def _dangling(file: Path) -> None:
    file.symlink_to("/nowhere/at/all")


def _loop(file: Path) -> None:
    file.symlink_to(file.name)


def _sparse(file: Path) -> None:
    with file.open("wb") as written:
        written.truncate(1 << 42)


DEVICES: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "zero": _zero,
    "elsewhere": _elsewhere,
    "dangling": _dangling,
    "loop": _loop,
    "folder": Path.mkdir,
    "sparse": _sparse,
}
PLACES = {
    "model": (*TEXTS, "model.safetensors"),
    "student": ("manifest.json", "model.safetensors", "tokenizer.json"),
    "discriminator": ("discriminator.json", "head.safetensors"),
    "teacher-cache": ("manifest.json", "run.json", "rejected.jsonl", "rows-00000-of-00001.parquet"),
    "report": ("index.html",),
}


def devices() -> Iterator[Attack]:
    for where, names in PLACES.items():
        for name, (device, put) in itertools.product(names, DEVICES.items()):

            def do(world: World, where: str = where, name: str = name, put: Callable[[Path], None] = put) -> Path:
                file = model_of(world, where) / name
                (file.parent.parent / "kept").write_bytes(file.read_bytes())
                file.unlink()
                put(file)
                return file

            # the library has a model without these; what nobody can open is none
            is_needed = name not in ("generation_config.json", "processor_config.json") or device == "sparse"
            yield Attack(f"device {where} {name} {device}", "device", where, do, refused=is_needed)


ODD: dict[str, bytes] = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "closed deep lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long number": b'{"a": ' + b"9" * 20_000 + b"}",
    "infinity": b'{"schema_version": Infinity, "model_type": Infinity, "version": NaN}',
    "large float": b'{"schema_version": 1e999, "model_type": 1e999}',
    "empty": b"",
    "bytes": bytes(range(256)),
    "list": b"[]",
    "half": b'{"schema_version": 3, "model_ty',
    "text of escapes": json.dumps({"model_type": PAYLOADS[0], "schema_version": PAYLOADS[1]}).encode(),
    "wide": b"[" + b"[]," * 2_000_000 + b"0]",
}


def json() -> Iterator[Attack]:
    places = [
        *(("model", name) for name in TEXTS if name.endswith(".json")),
        ("teacher-cache", "manifest.json"),
        ("teacher-cache", "run.json"),
        ("discriminator", "discriminator.json"),
    ]
    for (where, name), (odd, text) in itertools.product(places, ODD.items()):

        def do(world: World, where: str = where, name: str = name, text: bytes = text) -> Path:
            file = model_of(world, where) / name
            file.write_bytes(text)
            if name == "discriminator.json":
                world.reseal(where)
            return file

        # a list or a number in a settings file is a model of the library's defaults
        is_json = odd in (
            "infinity",
            "large float",
            "text of escapes",
            "list",
            "long number",
            "closed deep lists",
            "wide",
        )
        needed = not is_json or name not in (
            "generation_config.json",
            "preprocessor_config.json",
            "processor_config.json",
        )
        by = ("use",) if name == "discriminator.json" else ("load", "verify", "use")
        is_ignored = odd in ("infinity", "large float", "text of escapes")  # under keys that no tokenizer reads
        needed = needed and not (is_ignored and name == "tokenizer_config.json")
        yield Attack(f"json {where} {name} {odd}", "json", where, do, refused=needed, by=by)
