"""Tasks of a suite whose files aren't what they seem, and adapters in a model's place.

A task's functions are the suite's own code, and run. What may not: code elsewhere, and what a YAML file makes of
itself.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from . import bombs
from .attack import MARKER, Attack
from .world import World

GOOD = """\
task: mine
dataset_path: json
test_split: test
output_type: generate_until
doc_to_visual: !function functions.visual
doc_to_text: question
doc_to_target: answer
process_results: !function functions.score
metric_list: [{metric: right, aggregation: mean}]
"""
FUNCTIONS = """
def visual(doc):
    return []
def score(doc, results):
    return {"right": 1.0}
"""
EVIL = f"from pathlib import Path\nPath({MARKER!r}).touch()\n{FUNCTIONS}"


def suite_of(world: World) -> Path:
    """A folder with a good task."""
    folder = world.root / "suite"
    folder.mkdir(exist_ok=True)
    (folder / "functions.py").write_text(FUNCTIONS)
    (folder / "mine.yaml").write_text(GOOD)
    return folder


def _with(line: str, *, instead: str | None = None) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = GOOD if instead is None else GOOD.replace(instead, line)
        (folder / "mine.yaml").write_text(text if instead is not None else f"{text}{line}\n")

    return spoil


def _pipe(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return spoil


def _sparse(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.truncate(1 << 40)

    return spoil


_ADDRESS = "doc_to_visual: !function functions.visual"
TASKS: dict[str, Callable[[Path], None]] = {
    **{
        f"tag {tag}": _with(f"metadata: !!python/{tag}")
        for tag in (
            "object/apply:os.system ['touch ran']",
            "object/new:os.system ['touch ran']",
            "object/apply:builtins.exec [\"open('ran', 'w')\"]",
            "name:os.system",
            "module:antigravity",
            "tuple [1, 2]",
        )
    },
    "function of the folder above": _with("doc_to_visual: !function ../evil.visual", instead=_ADDRESS),
    "function by an absolute path": _with("doc_to_visual: !function /outside/evil.visual", instead=_ADDRESS),
    "function of a hidden folder": _with("doc_to_visual: !function .hidden/evil.visual", instead=_ADDRESS),
    "function of a package": _with("doc_to_visual: !function os.path.evil.visual", instead=_ADDRESS),
    "function without a module": _with("doc_to_visual: !function system", instead=_ADDRESS),
    "function as a list": _with("doc_to_visual: !function [functions.visual]", instead=_ADDRESS),
    "include": _with("include: ../evil.yaml"),
    "deep lists": _with("metadata: " + "[" * 20_000 + "]" * 20_000),
    "deep keys": _with("metadata: " + "{a: " * 20_000 + "}" * 20_000),
    "aliases of aliases": _with(
        "metadata:\n  a0: &a0 [x, x]\n" + "".join(f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    ),
    "an alias of itself": _with("metadata: &a [*a]"),
    "a key that is a list": _with("? [a, b]\n: c"),
    "a date that is none": _with("metadata: 2024-99-99"),
    "no text": lambda folder: (folder / "mine.yaml").write_bytes(b"\xff\xfe\x00") and None,
    "pipe mine.yaml": _pipe("mine.yaml"),
    "pipe functions.py": _pipe("functions.py"),
    "pipe beside it.py": _pipe("beside.py"),
    "terabyte mine.yaml": _sparse("mine.yaml"),
    "terabyte beside it.py": _sparse("beside.py"),
}
_HARMLESS = ("aliases of aliases", "an alias of itself", "pipe beside it.py")


def tasks() -> Iterator[Attack]:
    for name, spoil in TASKS.items():

        def do(world: World, spoil: Callable[[Path], None] = spoil) -> Path:
            folder = suite_of(world)
            for place in (world.root, folder / ".hidden", world.root / "outside"):
                place.mkdir(exist_ok=True)
                (place / "evil.py").write_text(EVIL)
            (world.root / "evil.yaml").write_text(GOOD)
            spoil(folder)
            text = folder / "mine.yaml"
            if text.is_file() and text.stat().st_size < 1 << 20:
                text.write_bytes(text.read_bytes().replace(b"/outside", str(world.root / "outside").encode()))
            return folder

        yield Attack(f"task {name}", "task", "suite", do, refused=name not in _HARMLESS)


def adapters() -> Iterator[Attack]:
    """A model directory that is only an adapter, to a base elsewhere or to code."""
    for base in ("beside", "hub", "itself"):
        for weights in ("adapter_model.bin", "adapter_model.safetensors", "adapter_model.pt"):

            def do(world: World, base: str = base, weights: str = weights) -> Path:
                path, aside = world.model, world.root / "aside"
                os.rename(path, aside)
                path.mkdir()
                named = {"beside": str(aside), "hub": "someone/else", "itself": str(path)}[base]
                settings = {
                    "peft_type": "LORA",
                    "task_type": "CAUSAL_LM",
                    "base_model_name_or_path": named,
                    "auto_mapping": {"base_model_class": "Own", "parent_library": "own"},
                    "target_modules": ["q_proj"],
                    "r": 1,
                }
                (path / "adapter_config.json").write_text(json.dumps(settings))
                (path / "own.py").write_text(EVIL)
                content = (aside / "model.safetensors").read_bytes()
                (path / weights).write_bytes(content if weights.endswith("safetensors") else bombs.pickled(MARKER))
                return path

            yield Attack(f"adapter {base} {weights}", "adapter", "model", do)
