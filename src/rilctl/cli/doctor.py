"""`doctor`: does this installation work, on this machine?"""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from rilctl import __version__
from rilctl.cli import output
from rilctl.cli.checks import Check, check_extras, check_private
from rilctl.cli.options import Debug, Json
from rilctl.errors import RilctlError
from rilctl.hardware import host_memory_bytes
from rilctl.reporting import format

_NEEDED = (
    ("torch", "torch", None),
    # The class, not only the package: transformers imports lazily, and a broken torchvision shows only here.
    ("transformers", "transformers", "AutoModelForImageTextToText"),
    ("datasets", "datasets", None),
    ("peft", "peft", None),
    ("safetensors", "safetensors", None),
    ("pyarrow", "pyarrow", None),
    ("pillow", "PIL.Image", None),
)
"""Distribution, module, and an attribute that must be there."""

_LITTLE_DISK_BYTES = 10_000_000_000


def doctor(
    recipes: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RECIPE", help="Look at the keys and extras that these need, too.", show_default=False),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the recipe's teachers a few questions: do they see pictures? It costs.")
    ] = False,
    models: Annotated[bool, typer.Option("--models", help="List the built-in model names instead.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check installation, machine, and what a recipe needs.

    Exit code 1 if something that is needed is broken. With --ask teachers are loaded, or called at their endpoints.
    """
    if models:
        _list_models(as_json=as_json)
        return
    output.own_stdout()
    checks = [
        *_libraries(),
        _device(),
        *check_extras(),
        *check_private(),
        _memory(),
        _disk(),
        _hub_cache(),
        _call_cache(),
    ]
    if recipes:
        checks += _recipe(recipes)
    if ask:
        checks += _teachers(recipes)
    broken = [check for check in checks if check.state == "broken"]
    if as_json:
        output.result_json({"ok": not broken, "checks": [asdict(check) for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        output.result(*(f"{check.state:<6}  {check.name:<{width}}  {check.detail}" for check in checks))
    if broken:
        raise RilctlError(f"broken: {', '.join(check.name for check in broken)}", hint=broken[0].hint)


def _list_models(*, as_json: bool) -> None:
    from rilctl.config.registry import MODELS

    if as_json:
        output.result_json({name: model.model_dump(mode="json") for name, model in MODELS.items()})
        return
    name_width, model_width = max(map(len, MODELS)), max(len(model.model) for model in MODELS.values())
    for name, model in MODELS.items():
        output.result(f"{name:<{name_width}}  {model.model:<{model_width}}  {model.about}")


def _libraries() -> Iterator[Check]:
    yield Check("rilctl", "ok", f"{__version__}, Python {platform.python_version()}")
    for distribution, module, attribute in _NEEDED:
        try:
            imported = importlib.import_module(module)
            if attribute is not None:
                getattr(imported, attribute)
            yield Check(distribution, "ok", importlib.metadata.version(distribution))
        except Exception as error:  # an import can fail in any way; each is a finding
            yield Check(distribution, "broken", _first_line(error), f"`pip install --force-reinstall {distribution}`")


def _device() -> Check:
    try:
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
            return Check("device", "ok", f"cuda: {', '.join(names)}")
        return Check("device", "ok", f"cpu, {torch.get_num_threads()} threads")
    except Exception as error:  # a driver can fail in any way
        return Check("device", "broken", _first_line(error), 'check the driver, or set `device = "cpu"`')


def _recipe(paths: Sequence[Path]) -> Iterator[Check]:
    from rilctl.cli.checks import check_recipe
    from rilctl.config.load import load_recipe

    yield from check_recipe(load_recipe(paths), Path.cwd())


def _teachers(paths: Sequence[Path] | None) -> list[Check]:
    """Whether each teacher sees pictures; it is asked."""
    from rilctl.cli import runner

    found, recipe = runner.read_recipe(paths, None, {})
    with runner.stage_surroundings() as (reporter, stop):
        from rilctl.stages.cache_teacher.sight import BLIND_HINT, looks

        context = runner.context_maker(found, recipe, reporter, stop)("cache-teacher")
        states: dict[bool | None, Literal["ok", "note", "broken"]] = {True: "ok", None: "note", False: "broken"}
        return [
            Check(f"teacher {name} sees pictures", states[sight.sees], sight.why, BLIND_HINT)
            for name, sight in looks(context)
        ]


def _memory() -> Check:
    return Check("memory", "ok", f"{format.size(host_memory_bytes())}, {os.cpu_count()} cores")


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    state: Literal["ok", "note"] = "ok" if free >= _LITTLE_DISK_BYTES else "note"
    return Check("disk", state, f"{format.size(free)} free here")


def _hub_cache() -> Check:
    try:
        constants = importlib.import_module("huggingface_hub.constants")
    except ImportError as error:
        return Check("hub cache", "broken", _first_line(error), "`pip install huggingface_hub`")
    return _writable("hub cache", Path(constants.HF_HUB_CACHE), "set HF_HOME to a directory you can write to")


def _call_cache() -> Check:
    return _writable("call cache", Path("runs/.cache"), "run rilctl where you can write, or set `workspace.root`")


def _writable(name: str, path: Path, hint: str) -> Check:
    """Whether files could be made at `path`, judged by the nearest directory that exists; nothing is written."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    if os.access(existing, os.W_OK) and existing.is_dir():
        return Check(name, "ok", f"{path}")
    return Check(name, "broken", f"can't write to {existing}", hint)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
