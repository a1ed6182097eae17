"""Addresses of a recipe, moved to this machine."""

import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit


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
            is_free = wanted not in self.taken.values() and wanted > 1023 and _can_bind(wanted)
            self.taken[url] = wanted if is_free else _free_port()
        return self.taken[url]

    def move(self, url: str) -> str:
        """The address here, with the path that it has there."""
        return f"http://127.0.0.1:{self.port_for(url)}{urlsplit(url).path}"


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
