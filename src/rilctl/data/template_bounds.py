"""A Jinja template of a recipe gets little time and memory for a row: loops in loops may take a year."""

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rilctl.errors import DataError

_MOST_STEPS: Final = 300_000
"""Lines of a template and calls that it makes, for one row; a real one takes some dozens."""
_MOST_GROWTH_KB: Final = 512 << 10
_MOST_CHARS: Final = 1_000_000
_MOST_BITS: Final = 10_000
_WIDE = re.compile(r"%[^a-zA-Z%]*(\*|\d{7})")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox in which no single operation makes much out of little."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("center", "format", "indent", "wordwrap"):
            del self.filters[name]
        del self.globals["lipsum"]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """What an operator gives. Raises `OverflowError` where that would be large."""
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            is_large = left.bit_length() * right > _MOST_BITS
        elif operator == "%":
            is_large = isinstance(left, str) and bool(_WIDE.search(left))
        else:
            sized, count = (left, right) if hasattr(left, "__len__") else (right, left)
            is_large = hasattr(sized, "__len__") and isinstance(count, int) and len(sized) * count > _MOST_CHARS
        if is_large:
            raise OverflowError(f"what `{operator}` gives is too large")
        return super().call_binop(context, operator, left, right)


@contextmanager
def bounded(name: str = "data.template") -> Iterator[None]:
    """Inside, a template of this name is filled in by this thread. Raises `DataError` once it takes too much."""
    num_steps, most_kb = 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + _MOST_GROWTH_KB

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal num_steps
        num_steps += 1
        if num_steps > _MOST_STEPS or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > most_kb:
            much = "memory" if num_steps <= _MOST_STEPS else "time"
            raise DataError(f"{name} takes too much {much} for one row", hint="does one of its loops end?")
        return count if frame.f_code.co_filename == "<template>" else None

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
