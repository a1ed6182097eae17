"""Places for questions under way: each is taken by the next question when the answer before it was given away."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from rilctl.errors import EndpointError

_TICK_S = 0.1
"""How soon a signal is noticed while all questions wait for their answers."""
_OVER: Final[Any] = object()

Answered = TypeVar("Answered")
Question = TypeVar("Question")


def numbered(questions: Iterable[Question | None]) -> Iterator[tuple[int, Question] | None]:
    """With an index for each; None, which is none, stays."""
    index = 0
    for question in questions:
        yield None if question is None else (index, question)
        index += question is not None


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

    def fill(self, ahead: Iterator[tuple[int, Question] | None], ask: Callable[[Question], Answered]) -> bool:
        """Take the free places, as far as there are questions at present; False: none is taken, and nothing is ahead.

        Args:
            ahead: questions by index; None: none at present.
            ask: answers one, in a thread.

        Raises:
            EndpointError: no thread can be started. What was under way goes on.
        """
        while self._num_taken < self._num:
            following = next(ahead, _OVER)
            if following is _OVER:
                return self._num_taken > 0
            if following is None:
                return True
            index, question = following
            self._take(index, question, ask)
        return True

    def come(self) -> tuple[dict[int, Answered], BaseException | None]:
        """All answers that have come since, by index, which may be none yet, and the first thing that went wrong."""
        answers: dict[int, Answered] = {}
        reason: BaseException | None = None
        for index, future in self._all_in():
            try:
                answers[index] = future.result()
            except CancelledError:
                pass
            except BaseException as error:
                reason = reason or error
        return answers, reason

    def _take(self, index: int, question: Question, ask: Callable[[Question], Answered]) -> None:
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
        if not self._num_taken:
            return found
        with suppress(Empty):
            found.append(self._came.get(timeout=_TICK_S))
            while True:
                found.append(self._came.get_nowait())
        self._num_taken -= len(found)
        return found
