"""Servers on this machine that say any bytes at any time, and a proxy: what no HTTP library would send."""

import base64
import select
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rilctl.testing.endpoint import Call, read_call


def raw_reply(content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A reply of HTTP/1.1, whole."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + content


class Visitor:
    """A client that came.

    Args:
        stream: connected to it.
        closing: set when the server ends.
    """

    def __init__(self, stream: socket.socket, closing: threading.Event) -> None:
        self.stream, self._closing = stream, closing
        self._read = b""

    def head(self) -> bytes:
        """The next request up to its empty line; nothing where there is none."""
        while b"\r\n\r\n" not in self._read:
            if not (more := self.stream.recv(1 << 16)):
                return b""
            self._read += more
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        return head

    def content(self, num_bytes: int) -> bytes:
        """So many bytes that come after it."""
        while len(self._read) < num_bytes and (more := self.stream.recv(1 << 16)):
            self._read += more
        content, self._read = self._read[:num_bytes], self._read[num_bytes:]
        return content

    def rest(self) -> bytes:
        """What has come already, and wasn't asked for."""
        content, self._read = self._read, b""
        return content

    def send(self, content: bytes) -> None:
        """Say something."""
        self.stream.sendall(content)

    def drip(self, piece: bytes, every_s: float = 0.02) -> None:
        """Say the same again and again, until the client or the server ends."""
        while not self._closing.wait(every_s):
            self.send(piece)

    def hang(self) -> None:
        """Say nothing, until the server ends."""
        self._closing.wait(60)


class _Server(ABC):
    """Accepts connections, each in a thread of its own; use it as a context manager."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        """Where it listens."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._visits: list[tuple[threading.Thread, socket.socket]] = []

    @abstractmethod
    def visit(self, visitor: Visitor) -> None:
        """Serve one connection, which is closed afterwards."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        for thread, stream in self._visits:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            if select.select([self._listener], [], [], 0.02)[0]:
                stream, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(stream,))
                self._visits.append((thread, stream))
                thread.start()

    def _serve(self, stream: socket.socket) -> None:
        with suppress(OSError), stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                self.visit(Visitor(stream, self._closing))
            else:
                with self._tls.wrap_socket(stream, server_side=True) as secured:
                    self.visit(Visitor(secured, self._closing))


class RawEndpoint(_Server):
    """An endpoint whose every byte is scripted.

    Args:
        script: called with each request, and answers it as it likes.
        tls: the certificate to show; absent: plain HTTP.
    """

    def __init__(self, script: Callable[[Call, Visitor], object], *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.script = script
        self.calls: list[Call] = []
        """Every call so far, in the order of arrival."""
        self.num_connections = 0
        self._scheme = "http" if tls is None else "https"
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address, as a recipe names it."""
        return f"{self._scheme}://127.0.0.1:{self.port}/v1"

    def visit(self, visitor: Visitor) -> None:
        """See `_Server`."""
        with self._lock:
            self.num_connections += 1
        while head := visitor.head():
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {name.strip(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            content = visitor.content(int(headers.get("Content-Length", 0)))
            with self._lock:
                call = read_call(len(self.calls), line.split()[1], headers, content)
                self.calls.append(call)
            self.script(call, visitor)


class ForwardProxy(_Server):
    """A proxy that passes on what it is asked to, wherever that is meant to go.

    Args:
        to: port on this machine where everything goes.
        refuses: status and reason that it answers instead.
        user: `NAME:PASSWORD` that it wants.
    """

    def __init__(self, to: int, *, refuses: str | None = None, user: str | None = None) -> None:
        super().__init__()
        self.heads: list[str] = []
        """Every request that it saw, up to its empty line."""
        self._to, self._refuses, self._user = to, refuses, user

    @property
    def url(self) -> str:
        """As a variable names it."""
        return f"http://127.0.0.1:{self.port}"

    def visit(self, visitor: Visitor) -> None:
        """See `_Server`."""
        head = visitor.head().decode("latin-1")
        self.heads.append(head)
        refusal = self._refuses
        if self._user is not None and base64.b64encode(self._user.encode()).decode() not in head:
            refusal = "407 Proxy Authentication Required"
        if refusal is not None:
            visitor.send(raw_reply(b"", status=refusal))
            return
        method, target, _ = head.split("\r\n")[0].split(" ")
        with socket.create_connection(("127.0.0.1", self._to)) as behind:
            if method == "CONNECT":
                visitor.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                behind.sendall(head.replace(target, urlsplit(target).path, 1).encode("latin-1") + b"\r\n\r\n")
            behind.sendall(visitor.rest())
            self._relay(visitor.stream, behind)

    def _relay(self, one: socket.socket, other: socket.socket) -> None:
        """Pass on bytes both ways until a side ends."""
        while not self._closing.is_set():
            for stream in select.select([one, other], [], [], 0.02)[0]:
                if not (content := stream.recv(1 << 16)):
                    return
                (other if stream is one else one).sendall(content)
