"""Artifacts that lie, that speak to a terminal, that grow, and that lead a writer elsewhere."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import bombs
from .attack import PAYLOADS, Attack, model_of, put_template, seal_anew
from .world import World


def lies() -> Iterator[Attack]:
    changes: dict[str, Callable[[dict[str, Any]], object]] = {
        "rows": lambda m: m.update(num_rows=10**18),
        "no rows": lambda m: m.update(num_rows=0),
        "fewer than none": lambda m: m.update(num_rows=-1),
        "tokens": lambda m: m.update(num_tokens=10**30),
        "rejected": lambda m: m.update(num_rejected=10**9),
        "a size": lambda m: m["files"][0].update(size_bytes=10**18),
        "a negative size": lambda m: m["files"][0].update(size_bytes=-5),
        "a sha": lambda m: m["files"][0].update(sha256="0" * 64),
        "a path above": lambda m: m["files"][0].update(path="../good/manifest.json"),
        "an absolute path": lambda m: m["files"][0].update(path="/etc/passwd"),
        "a device": lambda m: m["files"].append({"path": "/dev/zero", "size_bytes": 0, "sha256": "0" * 64}),
        "a path with a zero": lambda m: m["files"][0].update(path="a\0b"),
        "itself": lambda m: m["files"].append({"path": "manifest.json", "size_bytes": 0, "sha256": "0" * 64}),
        "one file twice": lambda m: m["files"].append(m["files"][0]),
        "a long path": lambda m: m["files"][0].update(path="x" * 100_000),
        "a role above": lambda m: m.update(roles=["../../elsewhere"]),
        "another kind": lambda m: m.update(kind="verdicts"),
        "no kind": lambda m: m.update(kind="treasure"),
        "a newer version": lambda m: m.update(schema_version=99),
        "a negative version": lambda m: m.update(schema_version=-1),
        "a digest": lambda m: m.update(content_digest="f" * 64),
        "a log above": lambda m: m.update(logs=[{"path": "../x", "size_bytes": 0, "sha256": "0" * 64}]),
        "a metric": lambda m: m.update(metrics={"loss": "Infinity"}),
        "many files": lambda m: m.update(files=m["files"] * 20_000),
        "a key more": lambda m: m.update(trusted=True),
    }
    for name, change in changes.items():

        def do(world: World, change: Callable[[dict[str, Any]], object] = change) -> Path:
            path = world.artifact("teacher-cache")
            world.edit(path / "manifest.json", change)
            return path

        # readers of rows leave these to `verify`, which reads all of them twice
        by = ("verify",) if name in ("a digest", "tokens", "rejected") else ("verify", "use")
        yield Attack(f"lies {name}", "lies", "teacher-cache", do, by=by)
    for name, header in bombs.HEADERS.items():
        for where in ("model", "student"):

            def spoil(world: World, where: str = where, header: bytes = header) -> Path:
                file = model_of(world, where) / "model.safetensors"
                file.write_bytes(header)
                seal_anew(where, world)
                return file

            yield Attack(f"lies {where} header {name}", "lies", where, spoil)


def terminal() -> Iterator[Attack]:
    places: dict[str, Callable[[dict[str, Any], str], object]] = {
        "verb": lambda m, text: m.update(verb=text),
        "time": lambda m, text: m.update(created_at=text),
        "input's name": lambda m, text: m["inputs"][0].update(name=text),
        "input's role": lambda m, text: m["inputs"][0].update(role=text),
        "input's digest": lambda m, text: m["inputs"][0].update(digest=text),
        "artifact's name": lambda m, text: m["inputs"].append({**m["inputs"][0], "kind": "artifact", "name": text}),
        "metric": lambda m, text: m.update(metrics={text: 1.0}),
        "content digest": lambda m, text: m.update(content_digest=text),
        "file": lambda m, text: m["files"].append({"path": text, "size_bytes": 0, "sha256": "0" * 64}),
        "key": lambda m, text: m.update({text: 1}),
        "kind": lambda m, text: m.update(kind=text),
        "role": lambda m, text: m.update(roles=[text]),
    }
    for (name, put), (number, text) in itertools.product(places.items(), enumerate(PAYLOADS)):

        def do(world: World, put: Callable[[dict[str, Any], str], object] = put, text: str = text) -> None:
            world.edit(world.artifact("teacher-cache") / "manifest.json", lambda manifest: put(manifest, text))

        yield Attack(f"terminal {name} {number}", "terminal", "teacher-cache", do, refused=False)
    for number, text in enumerate(PAYLOADS):

        def beside(world: World, text: str = text) -> None:
            (world.artifact("teacher-cache") / f"notes {text}".replace("/", "")).write_text("")

        def raised(world: World, text: str = text) -> Path:
            template = "{{ raise_exception(" + json.dumps(text) + ") }}"
            return put_template(world.model, "chat_template.jinja", template)

        def called(world: World, text: str = text) -> Path:
            world.edit(world.model / "config.json", lambda settings: settings.update(model_type=text))
            return world.model

        yield Attack(f"terminal a file's name {number}", "terminal", "teacher-cache", beside, refused=False)
        yield Attack(f"terminal template {number}", "terminal", "model", raised)
        yield Attack(f"terminal architecture {number}", "terminal", "model", called)


def growing() -> Iterator[Attack]:
    for name, write in bombs.PARQUET.items():

        def do(world: World, write: Callable[[Path], None] = write) -> Path:
            file = world.artifact("teacher-cache") / "rows-00000-of-00001.parquet"
            write(file)
            world.reseal("teacher-cache")
            return file

        yield Attack(f"bomb parquet {name}", "bomb", "teacher-cache", do)
    for name, text in bombs.TOKENIZERS.items():

        def grow(world: World, text: str = text) -> Path:
            (world.model / "tokenizer.json").write_text(text)
            return world.model

        yield Attack(f"bomb tokenizer {name}", "bomb", "model", grow)
    for name, change in bombs.CONFIGS.items():

        def swell(world: World, change: Callable[[dict[str, Any]], object] = change) -> Path:
            world.edit(world.model / "config.json", change)
            return world.model

        yield Attack(f"bomb configuration {name}", "bomb", "model", swell)


def templates() -> Iterator[Attack]:
    for name, template in bombs.TEMPLATES.items():
        for place in ("chat_template.jinja", "tokenizer_config.json"):

            def do(world: World, place: str = place, template: str = template) -> Path:
                put_template(world.model, place, template)
                return world.model

            yield Attack(f"template {name} {place}", "template", "model", do)


def staging() -> Iterator[Attack]:
    ours = (
        ".tmp-staging",
        ".tmp-manifest.json",
        ".tmp-replaced.json",
        "resume",
        ".lock",
        ".lock.json",
        "metrics.jsonl",
    )
    for name in ours:

        def link(world: World, name: str = name) -> Path:
            path = _unwritten(world)
            precious = world.root / "precious"
            precious.mkdir()
            (precious / "thesis.txt").write_text("mine")
            is_folder = name in (".tmp-staging", "resume")
            (path / name).symlink_to(precious if is_folder else precious / "thesis.txt")
            return path / name

        def pipe(world: World, name: str = name) -> Path:
            path = _unwritten(world)
            os.mkfifo(path / name)
            return path / name

        yield Attack(f"staging {name} link", "staging", "responses", link, refused=False)
        yield Attack(f"staging {name} pipe", "staging", "responses", pipe, refused=False)


def _unwritten(world: World) -> Path:
    """A run's directory as it was before anything was written there."""
    path = world.artifact("responses")
    for file in path.iterdir():
        if file.name != "run.json":
            file.unlink()
    return path
