import socket
import struct
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from torch.distributed import TCPStore

from rilctl.engines.ports import hold_port

IP_LOCAL_PORT_RANGE = 51
"""From `linux/in.h`, since Linux 6.3: out of which ports the system gives this socket one."""


def given(port: int) -> bool:
    """Whether the system gives the port to a socket that asks for any, where it may give that one alone."""
    with socket.socket() as other:
        try:
            other.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
        except OSError:
            pytest.skip("this system can't be asked for one port alone")
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 0))
        except OSError:
            return False
        return int(other.getsockname()[1]) == port


def test_a_held_port_is_given_to_nobody() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        left = int(probe.getsockname()[1])
    assert given(left)
    assert not given(hold_port()) and not given(hold_port(host=""))


def test_servers_take_it_and_come_back() -> None:
    port = hold_port()
    for _ in range(2):
        with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
            assert server.server_port == port
            with pytest.raises(OSError, match="in use"):
                hold_port(port)


def test_ranks_meet_there() -> None:
    port = hold_port(host="")
    short = timedelta(seconds=10)
    first = TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False, timeout=short)
    first.set("a", "b")
    assert TCPStore("127.0.0.1", port, is_master=False, timeout=short).get("a") == b"b"


def test_a_wanted_port_is_kept() -> None:
    port = hold_port()
    assert hold_port(port) == port  # nobody listens yet
