"""All builders, by the name of their file."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path

Builder = Callable[[Path], None]
"""Makes the weightless directory of a pocket student one of its architecture."""


def _all() -> dict[str, Builder]:
    names = [file.name for file in pkgutil.iter_modules([str(Path(__file__).parent)])]
    modules = {name: importlib.import_module(f"{__package__}.{name}") for name in names}
    return {name: module.write for name, module in modules.items() if hasattr(module, "write")}


BUILDERS: Mapping[str, Builder] = _all()
