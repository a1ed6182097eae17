"""A client for OpenAI-compatible chat completions: many questions at once, and none of them lost.

What can pass is tried again with growing, jittered pauses; what can't is a `RowError`. An endpoint that isn't there is
waited for. One that doesn't come, refuses the key or doesn't know the model ends everything, after the answers under
way have come home.
"""

import json
import socket
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakSet

import httpx2
from pydantic import SecretStr
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.failures import MAX_PAUSE_S, Retriable, read_retry_after
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.endpoints.messages import Body
from rilctl.engines.endpoints.replies import (
    Reply,
    error_code,
    error_message,
    quoted,
    read_object,
    read_reply,
    read_usage,
)
from rilctl.engines.endpoints.secrets import redact
from rilctl.engines.endpoints.waiting import Waiting, in_words
from rilctl.errors import CredentialError, EndpointError, InputError, RilctlError, RowError

_MAX_REPLY_BYTES = 64 << 20
_BUDGET_KEYS = ("max_tokens", "max_completion_tokens")
"""The token budget has two names: most servers know the first, OpenAI's newer models only the second."""
_NOT_UP_YET = (502, 503, 504)
"""What a server says while it loads, or a proxy before it."""
_TICK_S = 0.1
"""How soon a signal is noticed while all questions wait for their answers."""
_Asked = tuple[int, Future[Reply | RowError]]
_NOTHING_LOST = "answers that came are kept; the same command asks for the rest"


class ChatClient:
    """Asks one endpoint; threads may use it at once.

    Args:
        endpoint: where, and how patiently.
        key: who we are there.
        role: what answers there, as a person reads it: `the judge`.
        warn: told that it is waited for.
        check_stop: called while it is waited for; may raise to stop.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        key: SecretStr | None,
        *,
        role: str = "the model",
        warn: Callable[[str], object] = warnings.warn,
        check_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self.ledger = Ledger()
        self._key = key
        headers = {"User-Agent": "rilctl"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(endpoint.timeout_s, connect=endpoint.connect_timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=endpoint.max_concurrency),
        )
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()
        self._failures_in_row = 0
        self._refused_at_first: int | None = 0
        self._budget_key = _BUDGET_KEYS[0]
        self._paused_until = 0.0
        self._waiting = Waiting(f"{role} at {endpoint.url}", endpoint.start_timeout_s, warn, check_stop)

    def ask_each(
        self,
        bodies: Sequence[Callable[[], Body]],
        on_replies: Callable[[Mapping[int, Reply | RowError]], object],
        check_stop: Callable[[], object],
    ) -> None:
        """Ask everything, `max_concurrency` at once.

        A place is taken by the next question when `on_replies` has returned from the one before it, so a kill loses at
        most one answer for each place.

        Args:
            bodies: make the requests when their turn comes; may raise `RowError`.
            on_replies: called in this thread with all replies that have come since, or why there are none.
            check_stop: called often; if it raises, nothing new is asked, and the exception goes on when what is under
                way has been handed over.

        Raises:
            CredentialError: the key was refused.
            InputError: the endpoint doesn't know the model or the address.
            EndpointError: the endpoint is down.
            CancelledError: another thread closed the client.
        """
        if self._closed.is_set():
            raise CancelledError
        self._stopping.clear()
        reason: BaseException | None = None
        ahead, came, num_open = enumerate(bodies), SimpleQueue[_Asked](), 0
        with ThreadPoolExecutor(self.endpoint.max_concurrency, thread_name_prefix="endpoint") as pool:
            while True:
                places = 0 if reason else self.endpoint.max_concurrency - num_open
                for index, body in islice(ahead, places):
                    pool.submit(self.ask, body).add_done_callback(lambda future, at=index: came.put((at, future)))  # type: ignore[misc]
                    num_open += 1
                if not num_open:
                    break
                done = _all_in(came)
                num_open -= len(done)
                try:
                    _hand_over(done, on_replies)
                    check_stop()
                    if self._closed.is_set():
                        raise CancelledError
                except BaseException as error:
                    reason = reason or error
                    self._stopping.set()
        if reason is not None:
            raise reason

    def ask(self, make_body: Callable[[], Body]) -> Reply | RowError:
        """Ask one question until it is answered, or will not be. Raises as `ask_each` does."""
        if self._stopping.is_set():
            raise CancelledError
        try:
            return self._ask_when_up(make_body())
        except RowError as error:
            return error
        except Retriable as failure:
            return self._give_up(failure)
        except RilctlError:
            self._stopping.set()
            raise

    def close(self) -> None:
        """Close the connections; questions that other threads ask are given up at once."""
        self._closed.set()
        self._stopping.set()
        for connection in list(self._sockets):
            _hang_up(connection)
        self._http.close()

    def _ask_when_up(self, body: Body) -> Reply:
        """All attempts; those that meet nobody don't count."""
        while True:
            try:
                return self._retrying()(self._attempt, body)
            except Retriable as failure:
                if failure.absent is None or not self._waiting.once_more(
                    failure.absent, pause_s=failure.pause_s or 0.0, check_stop=self._check_stopping
                ):
                    raise

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise CancelledError

    def _retrying(self) -> Retrying:
        jitter = wait_random_exponential(multiplier=0.5, max=MAX_PAUSE_S)

        def pause_s(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_for = error.pause_s if isinstance(error, Retriable) else None
            return jitter(state) if asked_for is None else asked_for + 0.1 * jitter(state)

        attempts = stop_after_attempt(1 + self.endpoint.max_retries)
        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Retriable) and error.absent is None),
            stop=attempts | stop_before_delay(self.endpoint.deadline_s) | stop_when_event_set(self._stopping),
            wait=pause_s,
            sleep=sleep_using_event(self._stopping),
            reraise=True,
        )

    def _attempt(self, body: Body) -> Reply:
        """One request. What it raises doesn't hold the key, and neither does what a traceback shows before it."""
        self._stopping.wait(max(0.0, self._paused_until - time.monotonic()))
        body = {self._budget_key if key == _BUDGET_KEYS[0] else key: value for key, value in body.items()}
        try:
            status, headers, content = self._post(body)
            if status != 200:
                raise self._explain(status, headers, content, body)
            reply = self._read(content)
        except Retriable as failure:
            message = redact(failure.message, self._key)
            raise Retriable(failure.reason, message, pause_s=failure.pause_s, absent=failure.absent) from None
        except RowError as error:
            raise RowError(error.reason, redact(error.message, self._key)) from None
        self.ledger.answered()
        return reply

    def _read(self, content: bytes) -> Reply:
        parsed = read_object(content)
        self.ledger.counted(read_usage(parsed))
        try:
            reply = read_reply(parsed)
        except RowError:
            self._is_alive()
            raise
        self._is_alive()
        return reply

    def _is_alive(self) -> None:
        with self._lock:
            self._failures_in_row, self._refused_at_first = 0, None
        self._waiting.is_up()

    def _post(self, body: Body) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and content of one reply, whole, within `timeout_s`. Raises `Retriable`."""
        host, limit_s = self.endpoint.host, self.endpoint.timeout_s
        deadline, content, status = time.monotonic() + limit_s, bytearray(), None
        self.ledger.sent()
        try:
            with self._http.stream(
                "POST",
                f"{self.endpoint.url}/chat/completions",
                content=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
                extensions={"trace": self._on_event},
            ) as response:
                status = response.status_code
                for piece in response.iter_bytes():
                    content += piece
                    if time.monotonic() > deadline:
                        raise Retriable("endpoint-timeout", f"{host}: no whole reply within {limit_s:g} s")
                    if len(content) > _MAX_REPLY_BYTES:
                        raise RowError("reply-too-large", f"{host}: a reply of more than {_MAX_REPLY_BYTES:,} bytes")
                return status, response.headers, bytes(content)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            self.ledger.not_sent()
            why = in_words(error)
            raise Retriable("endpoint-unreachable", f"no connection to {host}: {why}", absent=why) from error
        except httpx2.TimeoutException as error:
            raise Retriable("endpoint-timeout", f"{host}: no whole reply within {limit_s:g} s") from error
        except httpx2.RequestError as error:
            message = f"{host}: {error or type(error).__name__}"
            raise Retriable("endpoint-disconnected" if status is None else "reply-truncated", message) from error

    def _on_event(self, name: str, event: Mapping[str, Any]) -> None:
        """Remember each connection's socket."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            connection = event["return_value"].get_extra_info("socket")
            self._sockets.add(connection)
            if self._closed.is_set():
                _hang_up(connection)

    def _explain(self, status: int, headers: httpx2.Headers, content: bytes, body: Body) -> Exception:
        """What a status other than 200 means, as the exception to raise."""
        try:
            parsed = read_object(content)
            said, code = error_message(parsed), error_code(parsed)
        except Retriable:
            said, code = quoted(content), ""
        said, host = redact(said, self._key), self.endpoint.host
        message = f"{host} answers {status}" + (f": {said}" if said else "")
        if status in (401, 403):
            named = self.endpoint.key_env or self.endpoint.key_file
            which = f"the key in `{named}`" if named else "a request without a key (`key_env` names one)"
            return CredentialError(f"{host} refuses {which}: {status} {said}".rstrip(), hint=_NOTHING_LOST)
        if status == 402 or code == "insufficient_quota":
            return EndpointError(f"the account is used up: {message}", hint=_NOTHING_LOST)
        if status in (404, 405) or 300 <= status < 400:
            moved = f", it points to {redact(headers['location'], self._key)}" if "location" in headers else ""
            return InputError(
                f"no chat completions of `{body.get('model')}` at {self.endpoint.url}: {message}{moved}",
                hint="check `model` and `endpoint.url`, which ends before `/chat/completions`",
            )
        if status in (408, 409, 425, 429) or status >= 500:
            pause_s = read_retry_after(headers.get("retry-after"))
            if pause_s is not None:
                self._paused_until = max(self._paused_until, time.monotonic() + pause_s)
            if status in _NOT_UP_YET and self._refused_at_first is not None:  # nothing was answered yet
                return Retriable("endpoint-unreachable", message, pause_s=pause_s, absent=f"HTTP {status}")
            return Retriable("rate-limited" if status == 429 else "endpoint-error", message, pause_s=pause_s)
        if _BUDGET_KEYS[0] in body and _BUDGET_KEYS[1] in said and "support" in said:
            self._budget_key = _BUDGET_KEYS[1]
            return Retriable("request-refused", message, pause_s=0.0)
        return self._refused(message)

    def _refused(self, message: str) -> Exception:
        """One question was refused; if so were all since the start, the recipe is to blame and not the questions."""
        with self._lock:
            self._failures_in_row = 0
            if self._refused_at_first is not None:
                self._refused_at_first += 1
                if self._refused_at_first >= self.endpoint.max_failures_in_row:
                    hint = "`endpoint.omit` leaves keys out of requests, `endpoint.extra_body` adds some"
                    return EndpointError(f"the endpoint refuses every request: {message}", hint=hint)
        return RowError("request-refused", message)

    def _give_up(self, failure: Retriable) -> RowError:
        """A question is not answered; raises `EndpointError` where that is the endpoint's fault, not the question's."""
        with self._lock:
            self._failures_in_row += 1
            num = self._failures_in_row
        if self._stopping.is_set():
            raise CancelledError  # the question may be as good as any other
        if failure.absent is None and num < self.endpoint.max_failures_in_row:
            return RowError(failure.reason, failure.message)
        self._stopping.set()
        which = "the endpoint is down" if failure.absent else f"{num} questions in a row have no answer"
        raise EndpointError(f"{which}: {failure.message}", hint=_NOTHING_LOST)


def _all_in(came: SimpleQueue[_Asked]) -> dict[int, Future[Reply | RowError]]:
    """What has come, by its place in the order of questions; nothing where nothing comes for a moment."""
    found: dict[int, Future[Reply | RowError]] = {}
    with suppress(Empty):
        found.update([came.get(timeout=_TICK_S)])
        while True:
            found.update([came.get_nowait()])
    return found


def _hand_over(
    done: Mapping[int, Future[Reply | RowError]], on_replies: Callable[[Mapping[int, Reply | RowError]], object]
) -> None:
    """Give every reply away, then raise the first thing that went wrong."""
    replies: dict[int, Reply | RowError] = {}
    reason: BaseException | None = None
    for index, future in done.items():
        try:
            replies[index] = future.result()
        except CancelledError:
            pass
        except BaseException as error:
            reason = reason or error
    if replies:
        on_replies(replies)
    if reason is not None:
        raise reason


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)  # wakes who reads, as closing it would not
    connection.close()
