"""A client for OpenAI-compatible chat completions: many questions at once, and none of them lost.

What can pass is tried again with growing, jittered pauses; what can't is a `RowError`. An endpoint that isn't there is
waited for. One that doesn't come, refuses the key or doesn't know the model ends everything, after the answers under
way have come home.
"""

import json
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import replace

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
from rilctl.engines.endpoints.failures import MAX_PAUSE_S, Retriable
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.endpoints.line import Line, refused_by_proxy
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.messages import Body, most_bytes
from rilctl.engines.endpoints.places import Places, numbered
from rilctl.engines.endpoints.replies import Reply, read_object, read_reply, read_usage
from rilctl.engines.endpoints.statuses import NOTHING_LOST, error_of
from rilctl.engines.endpoints.waiting import Waiting
from rilctl.errors import EndpointError, RilctlError, RowError

_BUDGET_KEYS = ("max_tokens", "max_completion_tokens")
"""The token budget has two names: most servers know the first, OpenAI's newer models only the second."""
_MORE = "`endpoint.max_failures_in_row` allows more"
_GRACE_S = 5.0
"""So long is waited, after a stop, for the rest of a reply that has begun to come; what is silent may still think."""


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
        self._mask = Mask(key)
        self._line = Line(endpoint, None if key is None else key.get_secret_value(), warn)
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._failed = set[object]()
        self._was_answered = False
        self._budget_key = _BUDGET_KEYS[0]
        self._retrying = _retrying(endpoint, self._stopping)
        self._paused_until = 0.0
        self._waiting = Waiting(f"{role} at {endpoint.url}", endpoint.start_timeout_s, warn, check_stop)

    def ask_each(
        self, bodies: Iterable[Callable[[], Body] | None], check_stop: Callable[[], object]
    ) -> Iterator[Mapping[int, Reply | RowError]]:
        """Ask everything, `max_concurrency` at once, and give what has come since, which may be nothing.

        A place is taken by the next question when the caller asks for more, so a kill loses at most one answer for each
        place of those that the caller stores.

        Args:
            bodies: make the requests when their turn comes; may raise `RowError`. None: at present there is none.
            check_stop: called often; if it raises, or `bodies` does, nothing new is asked, and the exception goes on
                when what is under way has been given.

        Yields:
            Replies by index, or why there are none.

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
        came: Mapping[int, Reply | RowError] = {}
        ahead, stopped_at = numbered(bodies), 0.0
        with Places[Reply | RowError](self.endpoint.max_concurrency) as places:
            try:
                while True:
                    try:
                        if reason is None:
                            self._look_around(check_stop)
                        if not places.fill(iter(()) if reason else ahead, self.ask):
                            break
                        came, failure = places.come()
                        if failure is not None:
                            raise failure
                    except BaseException as error:
                        stopped_at = stopped_at or time.monotonic()
                        reason = reason or error
                        self._stopping.set()
                    if reason and time.monotonic() > stopped_at + _GRACE_S:
                        self._line.hang_up_begun()
                    given, came = came, {}
                    yield given
            except GeneratorExit:
                self._stopping.set()
                raise
        if reason is not None:
            raise reason

    def ask(self, make_body: Callable[[], Body]) -> Reply | RowError:
        """Ask one question until it is answered, or will not be. Raises as `ask_each` does."""
        if self._stopping.is_set():
            raise CancelledError
        try:
            body = make_body()
        except RowError as error:
            return error
        try:
            return self._ask_when_up(body)
        except RowError as error:
            return self._unanswered(error, hash(json.dumps(body.get("messages"))))
        except Retriable as failure:
            if self._stopping.is_set():
                raise CancelledError from failure  # the question may be as good as any other
            if failure.absent is not None:
                self._stopping.set()
                raise EndpointError(f"the endpoint is down: {failure.message}", hint=NOTHING_LOST) from None
            return self._unanswered(RowError(failure.reason, failure.message), object())
        except RilctlError:
            self._stopping.set()
            raise

    def close(self) -> None:
        """Close the connections; questions that other threads ask are given up at once."""
        self._closed.set()
        self._stopping.set()
        self._line.close()

    def _ask_when_up(self, body: Body) -> Reply:
        """All attempts; those that meet nobody don't count."""
        while True:
            asked_at = time.monotonic()
            try:
                return self._retrying(self._attempt, body, asked_at + self.endpoint.deadline_s)
            except Retriable as failure:
                if failure.absent is None or not self._waiting.once_more(
                    failure.absent, asked_at, pause_s=failure.pause_s or 0.0, check_stop=self._check_stopping
                ):
                    raise

    def _look_around(self, check_stop: Callable[[], object]) -> None:
        check_stop()
        if self._closed.is_set():
            raise CancelledError

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise CancelledError

    def _attempt(self, body: Body, deadline: float) -> Reply:
        """One request. What it raises doesn't hold the key, and neither does what a traceback shows before it."""
        if self._stopping.wait(max(0.0, self._paused_until - time.monotonic())):
            raise CancelledError
        body = {self._budget_key if key == _BUDGET_KEYS[0] else key: value for key, value in body.items()}
        try:
            reply = self._read(self._post(body, min(deadline, time.monotonic() + self.endpoint.timeout_s)))
        except Retriable as failure:
            message = self._mask.message(failure.message)
            raise Retriable(failure.reason, message, pause_s=failure.pause_s, absent=failure.absent) from None
        except RowError as error:
            raise RowError(error.reason, self._mask.message(error.message)) from None
        self.ledger.answered()
        with self._lock:
            self._failed.clear()
        return replace(reply, text=self._mask.answer(reply.text))

    def _read(self, content: bytes) -> Reply:
        parsed = read_object(content)
        self.ledger.counted(read_usage(parsed))
        self._was_answered = True
        self._waiting.is_up()
        return read_reply(parsed)

    def _post(self, body: Body, deadline: float) -> bytes:
        """The content of one reply."""
        self.ledger.sent()
        try:
            answer = self._line.post(body, deadline, most_bytes(body))
        except Retriable as failure:
            if failure.absent is not None:
                self.ledger.not_sent()
            raise
        except RilctlError:
            self.ledger.not_sent()
            raise
        if answer.status == 200:
            return answer.content
        if answer.status == 407 and self._line.route.proxy is not None:
            raise refused_by_proxy(self._line.route, 407, "407")
        error = error_of(answer, self.endpoint, self._mask, model=body.get("model"), was_answered=self._was_answered)
        if isinstance(error, Retriable) and error.pause_s is not None:
            self._paused_until = max(self._paused_until, time.monotonic() + error.pause_s)
        if (
            isinstance(error, RowError)
            and _BUDGET_KEYS[0] in body
            and _BUDGET_KEYS[1] in error.message
            and "support" in error.message
        ):
            self._budget_key = _BUDGET_KEYS[1]
            raise Retriable(error.reason, error.message, pause_s=0.0)
        raise error

    def _unanswered(self, error: RowError, what: object) -> RowError:
        """A question has no answer; after many in a row raises `EndpointError`: it isn't the questions' fault.

        Args:
            error: why.
            what: what counts as one: all responses to a question that are refused, or each that isn't heard of.
        """
        with self._lock:
            self._failed.add(what)
            num = len(self._failed)
        if num < self.endpoint.max_failures_in_row:
            return error
        self._stopping.set()
        which, hint = f"{num} questions in a row have no answer", f"{NOTHING_LOST}; {_MORE}"
        if error.reason == "request-refused" and not self._was_answered:
            which = "the endpoint refuses every request"
            hint = "`endpoint.omit` leaves keys out of requests, `endpoint.extra_body` adds some"
        raise EndpointError(f"{which}: {error.message}", hint=hint)


def _retrying(endpoint: EndpointConfig, stopping: threading.Event) -> Retrying:
    """Attempts at one question; threads may use it at once."""
    jitter = wait_random_exponential(multiplier=0.5, max=MAX_PAUSE_S)

    def pause_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_for = error.pause_s if isinstance(error, Retriable) else None
        return jitter(state) if asked_for is None else asked_for + 0.1 * jitter(state)

    attempts = stop_after_attempt(1 + endpoint.max_retries)
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, Retriable) and error.absent is None),
        stop=attempts | stop_before_delay(endpoint.deadline_s) | stop_when_event_set(stopping),
        wait=pause_s,
        sleep=sleep_using_event(stopping),
        reraise=True,
    )
