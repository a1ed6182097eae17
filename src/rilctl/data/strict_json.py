"""JSON in which an object names each key once. Of two values for one key nobody knows which is meant."""

import codecs
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RepeatedKey:
    """Stands where an object names a key twice, and for every object around it."""

    key: str

    def __str__(self) -> str:
        """What is wrong."""
        return f"the key `{self.key}` is there twice"


def load_marked(content: bytes) -> Any:
    """The value of JSON in UTF-8, with or without a byte order mark. Raises `ValueError` or `RecursionError`.

    Returns:
        The value; `RepeatedKey` stands for objects that aren't sound, so that others in a list stay readable.
    """
    return json.loads(content.removeprefix(codecs.BOM_UTF8).decode(), object_pairs_hook=_once_each)


def load_json(content: bytes) -> Any:
    """As `load_marked`, but a repeated key anywhere is a `ValueError`."""
    value = load_marked(content)
    if repeated := find_repeated(value):
        raise ValueError(str(repeated))
    return value


def find_repeated(value: object) -> RepeatedKey | None:
    """The repeated key that an object is replaced by, or of the first such object in a list."""
    waiting = [value]
    while waiting:  # not recursive: lists may be as deep as JSON lets them
        each = waiting.pop()
        if isinstance(each, RepeatedKey):
            return each
        if isinstance(each, list):
            waiting.extend(reversed(each))
    return None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object] | RepeatedKey:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        return RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return next((inner for value in found.values() if (inner := find_repeated(value))), found)
