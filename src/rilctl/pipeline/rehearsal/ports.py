"""Addresses of a recipe, moved to this machine."""

import contextlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rilctl.engines.ports import hold_port


@dataclass
class Ports:
    """Which port of this machine stands for which address of the recipe.

    Args:
        taken: what was given away, by address.
    """

    taken: dict[str, int] = field(default_factory=dict)

    def port_for(self, url: str) -> int:
        """The address's own port where it is free, else any."""
        if url not in self.taken:
            wanted = urlsplit(url).port or 0
            is_usable = wanted > 1023 and wanted not in self.taken.values()
            self.taken[url] = _held(wanted if is_usable else 0)
        return self.taken[url]

    def move(self, url: str) -> str:
        """The address here, with the path that it has there."""
        return f"http://127.0.0.1:{self.port_for(url)}{urlsplit(url).path}"


def _held(wanted: int) -> int:
    with contextlib.suppress(OSError):
        return hold_port(wanted)
    return hold_port()
