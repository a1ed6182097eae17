"""Some of many items, as far apart as can be: what is measured where all would take long."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(items: Sequence[T], most: int) -> Sequence[T]:
    """Every so many of the items, no more than `most`; all of fewer."""
    return items[:: max(1, -(-len(items) // most))]
