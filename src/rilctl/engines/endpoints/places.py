"""Places for questions under way: each is taken by the next question when the answer before it was handed over."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

from rilctl.errors import EndpointError

_TICK_S = 0.1
"""How soon a signal is noticed while all questions wait for their answers."""

Answered = TypeVar("Answered")
Question = TypeVar("Question")


class Places(Generic[Answered]):
    """Threads that answer questions; use it as a context manager, which waits for what is under way.

    Args:
        num: questions under way at once.
    """

    def __init__(self, num: int) -> None:
        self._num, self._num_taken, self._num_started = num, 0, 0
        self._pool = ThreadPoolExecutor(num, thread_name_prefix="endpoint")
        self._came: SimpleQueue[tuple[int, Future[Answered]]] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def fill(self, ahead: Iterable[tuple[int, Question]], ask: Callable[[Question], Answered]) -> bool:
        """Take the free places; False: none is taken, and nothing is ahead.

        Raises:
            EndpointError: no thread can be started. What was under way goes on.
        """
        for index, question in islice(ahead, self._num - self._num_taken):
            try:
                self._pool.submit(self._answer, index, question, ask)
            except RuntimeError as error:
                self._num_taken += self._num_started > 0  # the threads that there are have it in their queue
                raise EndpointError(
                    f"no thread can be started for question {self._num_taken} under way",
                    hint="`ulimit -u` raises the limit, a lower `endpoint.max_concurrency` needs less",
                ) from error
            self._num_taken += 1
            self._num_started += 1
        return self._num_taken > 0

    def hand_over(self, on_answers: Callable[[Mapping[int, Answered]], object]) -> None:
        """Give away what has come, which may be nothing yet; then raise the first thing that went wrong.

        Args:
            on_answers: called in this thread with all answers that have come since, by index.
        """
        answers: dict[int, Answered] = {}
        reason: BaseException | None = None
        for index, future in self._all_in():
            try:
                answers[index] = future.result()
            except CancelledError:
                pass
            except BaseException as error:
                reason = reason or error
        if answers:
            on_answers(answers)
        if reason is not None:
            raise reason

    def _answer(self, index: int, question: Question, ask: Callable[[Question], Answered]) -> None:
        future: Future[Answered] = Future()
        try:
            future.set_result(ask(question))
        except BaseException as error:
            future.set_exception(error)
        self._came.put((index, future))

    def _all_in(self) -> list[tuple[int, Future[Answered]]]:
        """What has come; after a moment without anything, nothing."""
        found: list[tuple[int, Future[Answered]]] = []
        with suppress(Empty):
            found.append(self._came.get(timeout=_TICK_S))
            while True:
                found.append(self._came.get_nowait())
        self._num_taken -= len(found)
        return found
