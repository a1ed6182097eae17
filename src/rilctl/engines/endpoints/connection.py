"""One connection to an endpoint: requests go out and replies come back one after the other, each within its deadline.

HTTP/1.1 is read by h11; the socket is ours, so that no trick of a server outlasts a deadline, and bytes that belong to
no reply are seen.
"""

import select
import socket
import ssl
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import h11

from rilctl.engines.endpoints.routes import Proxy, Route

_MAX_HEADER_BYTES = 1 << 16
_PIECE_BYTES = 1 << 16
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Answer:
    """What a server sent back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes


class TooLargeError(Exception):
    """A reply has more bytes than it may have."""


class ProxyRefusedError(Exception):
    """A proxy doesn't pass on a connection; its answer's status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".rstrip())
        self.status = status


class Connection:
    """An open socket and what HTTP knows about it.

    Args:
        stream: connected.
    """

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream
        self.has_begun = False
        """Whether a reply has begun to come, and isn't whole."""
        self.has_leftover = False
        """Whether something came together with a reply, and is no part of it."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER_BYTES)
        self._num_bytes = 0
        self._is_idle = True

    def ask(self, request: h11.Request, content: bytes, deadline: float, max_bytes: int) -> Answer:
        """One request and its reply, whole.

        Args:
            request: with its headers.
            content: what is sent after it.
            deadline: when the reply must be whole, on the monotonic clock.
            max_bytes: as much may come, headers and interim replies included, and as much may be made of it.

        Raises:
            TimeoutError: it was not.
            TooLargeError: more came.
            OSError, h11.RemoteProtocolError: the connection broke, or what came is no HTTP.
        """
        self._num_bytes, self._is_idle = 0, False
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it hung up
            self._send([request, h11.Data(content), h11.EndOfMessage()], deadline)
        response, pieces = None, bytearray()
        while True:
            event = self._next_event(deadline, max_bytes)
            if isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                pieces += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("the connection was closed before a reply")
        assert response is not None  # h11 lets no other event come first
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        answer = Answer(response.status_code, headers, _decoded(bytes(pieces), headers, max_bytes))
        self.has_begun = False
        return answer

    def open_tunnel(self, route: Route, proxy: Proxy, deadline: float) -> None:
        """Have a proxy pass on what is sent from now on. Raises `ProxyRefusedError`, or as `ask` does."""
        host = f"{f'[{route.host}]' if ':' in route.host else route.host}:{route.port}"
        headers = [("Host", host)]
        if proxy.authorization is not None:
            headers.append(("Proxy-Authorization", proxy.authorization))
        self._send([h11.Request(method="CONNECT", target=host, headers=headers), h11.EndOfMessage()], deadline)
        while not isinstance(event := self._next_event(deadline, _MAX_HEADER_BYTES), h11.Response):
            if not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("the proxy closed the connection")
        if not 200 <= event.status_code < 300:
            raise ProxyRefusedError(event.status_code, event.reason.decode("latin-1"))

    def is_clean(self) -> bool:
        """Whether another request may be sent: the last reply is whole, and nothing has come after it."""
        if not self._is_idle:
            self.has_leftover = bool(self._http.trailing_data[0])
            if {self._http.our_state, self._http.their_state} != {h11.DONE} or self.has_leftover:
                return False
            self._http.start_next_cycle()
            self._is_idle = True
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return False
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)

    def _send(self, events: Sequence[h11.Request | h11.Data | h11.EndOfMessage], deadline: float) -> None:
        content = b"".join(self._http.send(event) or b"" for event in events)
        self.socket.settimeout(_left_s(deadline))
        self.socket.sendall(content)

    def _next_event(self, deadline: float, max_bytes: int) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self.socket.settimeout(_left_s(deadline))
            content = self.socket.recv(_PIECE_BYTES)
            self.has_begun |= bool(content)
            self._num_bytes += len(content)
            if self._num_bytes > max_bytes:
                raise TooLargeError
            self._http.receive_data(content)
        return event


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _decoded(content: bytes, headers: dict[str, str], max_bytes: int) -> bytes:
    """The content as it is meant; it was asked for without compression, but some servers compress all the same."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return content
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise h11.RemoteProtocolError(f"the reply is encoded as {coding[:20]!r}, which was not asked for")
    reader = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = reader.decompress(content, max_bytes)
    except zlib.error:
        raise h11.RemoteProtocolError(f"the reply is no {coding}") from None
    if reader.unconsumed_tail:
        raise TooLargeError
    if not reader.eof:
        raise h11.RemoteProtocolError(f"the reply's {coding} has no end")
    return plain
