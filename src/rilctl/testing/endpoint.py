"""A scripted endpoint: a real HTTP server on this machine, for everything that a server can do to a client."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Call:
    """One request as the server saw it; `number` counts from 0 in the order of arrival."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The text of the last turn, without its pictures."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else content[-1]["text"]

    @property
    def image_urls(self) -> list[str]:
        """The pictures of the last turn."""
        content = self.body["messages"][-1]["content"]
        return [] if isinstance(content, str) else [part["image_url"]["url"] for part in content[:-1]]


@dataclass(frozen=True)
class Wire:
    """What the server sends, byte by byte.

    Args:
        content: the body.
        status: the HTTP status.
        headers: beside the length.
        delay_s: silence before the first byte.
        drip_s: pause after each byte; 0 sends all at once.
        missing_bytes: announced in `Content-Length`, and never sent.
    """

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    missing_bytes: int = 0


def read_call(number: int, path: str, headers: Mapping[str, str], content: bytes) -> Call:
    """A request whose body is JSON, or empty."""
    return Call(number, path, headers, json.loads(content or b"{}"))


Script = Callable[[Call], str | Wire]
"""Text stands for a good completion of that text."""


def completion(text: str | None, *, finish_reason: str | None = "stop", usage: bool = True) -> Wire:
    """A chat completion in OpenAI's form; a token is one character."""
    body: dict[str, Any] = {
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason},
        ],
    }
    if usage:
        body["usage"] = {"prompt_tokens": 10, "completion_tokens": len(text or "")}
    return Wire(json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def failure(status: int, message: str = "scripted", *, code: str | None = None, **headers: str) -> Wire:
    """An error in OpenAI's form; `Retry_After="1"` becomes the header `Retry-After: 1`."""
    content = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Wire(content, status, {name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedEndpoint:
    """A server on 127.0.0.1; use it as a context manager.

    Args:
        script: what each call gets.
        port: 0 takes a free one.
    """

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.script = script
        self.calls: list[Call] = []
        """Every call so far, in the order of arrival."""
        self.most_at_once = 0
        """Largest number of calls that were under way at the same time."""
        self._num_open = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base address, as a recipe names it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: Mapping[str, str], content: bytes) -> Wire:
        """What the script says to a call, which is counted."""
        with self._lock:
            call = read_call(len(self.calls), path, headers, content)
            self.calls.append(call)
        said = self.script(call)
        return completion(said) if isinstance(said, str) else said

    def opened(self, num: int) -> None:
        """A call begins (1) or ends (-1)."""
        with self._lock:
            self._num_open += num
            self.most_at_once = max(self.most_at_once, self._num_open)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


def _handler(endpoint: ScriptedEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            endpoint.opened(1)
            try:
                wire = endpoint.answer(self.path, dict(self.headers), content)
                time.sleep(wire.delay_s)
            finally:
                endpoint.opened(-1)  # before anybody hears of it, and asks for more
            self._send(wire)

        do_GET = do_POST

        def _send(self, wire: Wire) -> None:
            self.send_response(wire.status)
            for name, value in wire.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(wire.content) + wire.missing_bytes))
            self.end_headers()
            pieces = [wire.content[i : i + 1] for i in range(len(wire.content))] if wire.drip_s else [wire.content]
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(wire.drip_s)
            if wire.missing_bytes:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler
