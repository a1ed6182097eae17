"""A port of this machine for a server that is yet to start."""

import atexit
import socket
import sys


def hold_port(wanted: int = 0, *, host: str = "127.0.0.1") -> int:
    """A port that nobody else is given by chance until its server takes it, nor while that is started again.

    On Linux it stays bound while this process lives, and nobody listens: the system then gives it to no connection, and
    to nobody who asks for any port. A server sets `SO_REUSEADDR`, as here, and may take it all the same. Other systems
    wouldn't let it, so there the port is free when this returns, and no more.

    Args:
        wanted: 0: any.
        host: the address of the interface that the server will listen at; empty: of all.

    Raises:
        OSError: something listens there.
    """
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, wanted))
        port = int(holder.getsockname()[1])
    except OSError:
        holder.close()
        raise
    if sys.platform == "linux":
        atexit.register(holder.close)
    else:
        holder.close()
    return port
