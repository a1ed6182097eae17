"""Takes something of a library away for a while, as another version might have, and sees that it is missed."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from rilctl.errors import EngineError
from rilctl.private.uses import Library, find_gaps, require, uses_of


class Other:
    """Stands where a class of another version would."""


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


def check_all_there(library: Library, taken: Mapping[str, object]) -> None:
    """The installed version has all that is used of its private API, and each use can be taken away.

    Args:
        library: see `uses_of`.
        taken: by what is used, how it is taken away.
    """
    assert find_gaps(library) == []
    assert set(taken) == {use.what for use in uses_of(library)}


def check_missed(library: Library, what: str, place: str, instead: Any) -> None:
    """A use that is gone is the only one that is named, and refused; see `taken_away`."""
    with taken_away(place, instead):
        assert [gap.use.what for gap in find_gaps(library)] == [what]
        try:
            require(library)
        except EngineError as error:
            assert "lacks" in error.message
        else:
            raise AssertionError(f"{library} without {what} is taken")
