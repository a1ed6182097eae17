"""One vLLM server's HTTP: what it says, and whether it is there."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.endpoints.failures import read_retry_after
from rilctl.engines.endpoints.routes import is_this_machine
from rilctl.engines.endpoints.waiting import Waiting, in_words
from rilctl.engines.generation.vllm.backend import SERVER_OPTIONS
from rilctl.errors import EngineError

_CONNECT_TIMEOUT_S = 10.0
_BUSY_PAUSE_S = 1.0
"""After a 429 that names no time."""


class RefusedError(EngineError):
    """The server understood a request and won't answer it.

    Args:
        status: the HTTP status.
        message: see `RilctlError`.
        hint: see `RilctlError`.
    """

    def __init__(self, status: int, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ServerHttp:
    """Requests to one server; threads may use it at once.

    Args:
        engine: the recipe's table.
        warn: told that the server is waited for.
        check_stop: called while it is waited for; may raise to stop.
    """

    def __init__(
        self,
        engine: VllmServerEngineConfig,
        warn: Callable[[str], object],
        check_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.url = engine.url
        self._start_timeout_s = engine.start_timeout_s
        self._waiting = Waiting(f"the vLLM server at {engine.url}", engine.start_timeout_s, warn, check_stop)
        self._http = httpx2.Client(
            trust_env=not is_this_machine(urlsplit(engine.url).hostname or ""),  # proxies are for other machines
            timeout=httpx2.Timeout(engine.timeout_s, connect=_CONNECT_TIMEOUT_S),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=engine.rows_per_batch),
        )

    def wait(self) -> None:
        """Return when the server is healthy. Raises `EngineError` where it isn't in time, or is another server."""
        asked_at = time.monotonic()
        while (why := self.illness()) is not None:
            if not self._waiting.once_more(why, asked_at):
                raise EngineError(
                    f"no vLLM server is healthy at {self.url} within {self._start_timeout_s:g} s: {why}",
                    hint="start it as docs/vllm.md says; the same command goes on",
                )
            asked_at = time.monotonic()
        self._waiting.is_up()

    def illness(self) -> str | None:
        """Why the server can't be asked yet, in a few words; None: it can."""
        try:
            status = self._http.get(f"{self.url}/health", timeout=_CONNECT_TIMEOUT_S).status_code
        except httpx2.HTTPError as error:
            return in_words(error)
        if status != 200 and status < 500 and status != 429:
            raise EngineError(
                f"{self.url} is no vLLM server: /health answers HTTP {status}",
                hint="check the engine's `url`; it ends before `/v1`",
            )
        return None if status == 200 else f"HTTP {status}"

    def get(self, path: str) -> Any:
        """The JSON of a reply. Raises as `post` does."""
        return self._read("GET", path, None)

    def post(self, path: str, body: Any = None, *, timeout_s: float | None = None) -> Any:
        """The JSON of a reply, None where it is empty.

        Args:
            path: of the route.
            body: what JSON can say.
            timeout_s: longest wait for the reply; None: the engine's.

        Raises:
            ConnectionError: no server, half a reply, or it is going down: 5xx.
            RefusedError: it refuses the request, and would again.
        """
        return self._read("POST", path, body, timeout_s)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, method: str, path: str, body: Any, timeout_s: float | None) -> httpx2.Response:
        """The reply of a server, or of a proxy before it, that isn't too busy."""
        deadline = time.monotonic() + self._start_timeout_s
        timeout = self._http.timeout if timeout_s is None else httpx2.Timeout(timeout_s)
        while True:
            try:
                reply = self._http.request(method, f"{self.url}{path}", json=body, timeout=timeout)
            except httpx2.HTTPError as error:
                raise ConnectionError(f"{path}: {type(error).__name__}") from error
            pause_s = read_retry_after(reply.headers.get("retry-after")) or _BUSY_PAUSE_S
            if reply.status_code != 429 or time.monotonic() + pause_s > deadline:
                return reply
            time.sleep(pause_s)

    def _read(self, method: str, path: str, body: Any, timeout_s: float | None = None) -> Any:
        reply = self._send(method, path, body, timeout_s)
        if reply.status_code >= 500:
            raise ConnectionError(f"{path}: HTTP {reply.status_code}: {reply.text[:200]}")
        if reply.status_code != 200:
            raise RefusedError(
                reply.status_code,
                f"the vLLM server at {self.url} refuses {path} with HTTP {reply.status_code}: {reply.text[:200]}",
                hint=f"start it with VLLM_SERVER_DEV_MODE=1 and `{' '.join(SERVER_OPTIONS)}`; see docs/vllm.md",
            )
        try:
            return reply.json() if reply.content else None
        except (ValueError, RecursionError) as error:
            raise ConnectionError(f"{path}: no JSON") from error
