"""Calls that may never return: into NCCL, whose peer is gone, or to a server whose workers are stuck."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_LOOK_S = 0.1


class Call(Generic[T]):
    """A call in a thread of its own; where it never returns, the thread doesn't keep the process from ending.

    Args:
        function: what is called.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function, self._done = function, threading.Event()
        self._values: list[T] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def has_ended(self, *, within_s: float) -> bool:
        """Whether it returned or raised, waited for that long."""
        return self._done.wait(within_s)

    def result(self) -> T:
        """What it returned, or raised; only when it has ended."""
        if self._error is not None:
            raise self._error
        return self._values[0]

    def _run(self) -> None:
        try:
            self._values.append(self._function())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()


class WatchedClient:
    """VLLM's client of the four phases of a weight transfer, in vLLM's form.

    Its first failure is kept, for who waits elsewhere for the same server, and its calls end when they are given up:
    the trainer sits in a broadcast meanwhile, and Python waits at its end for the thread that asks.

    Args:
        client: vLLM's own.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._given_up = threading.Event()
        self.failure: str | None = None
        """Why a call failed; None: none has."""

    def give_up(self) -> None:
        """End the calls that are under way, and those to come."""
        self._given_up.set()

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """First phase: the server's workers join the trainer's group."""
        self._call(lambda: self._client.init_weight_transfer_engine(init_info))

    def start_weight_update(self) -> None:
        """Second phase."""
        self._call(self._client.start_weight_update)

    def update_weights(self, update_info: Any) -> None:
        """Third phase: returns when the workers have what the trainer sends meanwhile."""
        self._call(lambda: self._client.update_weights(update_info))

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Last phase."""
        self._call(lambda: self._client.finish_weight_update(weight_version))

    def _call(self, function: Callable[[], None]) -> None:
        call = Call(function)
        while not call.has_ended(within_s=_LOOK_S):
            if self._given_up.is_set():
                raise ConnectionError("given up")
        try:
            call.result()
        except OSError as error:  # `requests`' errors are
            reply = getattr(error, "response", None)
            self.failure = " ".join(str(error).split()) + ("" if reply is None else f": {reply.text[:200]}")
            raise
