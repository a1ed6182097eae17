"""Takes something of a library away for a while, as another version might have."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from rilctl.private.uses import require


def gone(*_: Any, **__: Any) -> Any:
    """Stands where a function took other arguments. Raises `TypeError`."""
    raise TypeError("it takes other arguments")


@contextmanager
def taken_away(place: str, instead: Any = gone) -> Iterator[None]:
    """Inside, something of a library is another thing, and nobody has looked for it yet.

    Args:
        place: `module:name`, the name with dots where it is a class's.
        instead: stands there.
    """
    module, _, name = place.partition(":")
    path, _, attribute = name.rpartition(".")
    owner: Any = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        owner = getattr(owner, part)
    require.cache_clear()
    try:
        with mock.patch.object(owner, attribute, instead):
            yield
    finally:
        require.cache_clear()
