"""rilctl: compact vision-language models as good as large ones, by reinforcement and imitation learning (RIL).

The names of `rilctl.api` are the Python API; docs/python.md shows it at work. It is imported when one of them is first
used, so that the command line, which imports this package as well, answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rilctl.api import *  # noqa: F403 (so that its names stand in one place)
    from rilctl.api import __all__ as __all__


def __getattr__(name: str) -> Any:
    api = import_module("rilctl.api")
    if name != "__all__" and name not in api.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), "__all__", *__getattr__("__all__")})
