"""Judge calls of lmms-eval's tasks, answered by the recipe's judge.

The tasks know two clients: `llm_judge` (MathVista, MM-Vet, MM-Vet-v2), which takes providers of others by name, and
MMBench's own, one method of which is replaced while a benchmark runs. So no address and no key reaches lmms-eval, every
call goes through our client and cache, and a call that fails is seen: left alone, these tasks log it and score 0 or
draw an answer at random.
"""

import contextlib
import importlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lmms_eval.llm_judge import ProviderFactory, Request, Response, ServerInterface

from rilctl.engines.evaluation.base import JudgeChat
from rilctl.errors import RilctlError, RowError

API_TYPE: Final = "rilctl"
"""The name of our provider."""
_HOTTER: Final = (0.0, 0.5, 1.0, 1.5)
"""Added to the temperature until a score can be read; lmms-eval's own steps."""


class JudgeCalls:
    """One benchmark's calls: each asked once, the failures of the current thread at hand.

    Args:
        chat: the recipe's judge; None: every call fails.
        is_score: whether a reply must begin with a score from 0 to 1.
    """

    def __init__(self, chat: JudgeChat | None, *, is_score: bool) -> None:
        self.chat = chat
        self._is_score = is_score
        self._replies: dict[str, str | RowError] = {}
        self._fatal: RilctlError | None = None
        self._local = threading.local()

    def check(self) -> None:
        """Raise what ended the run, such as a refused key; tasks swallow it."""
        if self._fatal is not None:
            raise self._fatal

    def take_error(self) -> RowError | None:
        """The first call that failed on this thread since the last look, if one has."""
        error: RowError | None = getattr(self._local, "error", None)
        self._local.error = None
        return error

    def ask(self, messages: Sequence[Mapping[str, Any]], *, temperature: float, max_tokens: int) -> str:
        """The judge's reply. Raises `RowError`, the same one when it is asked again, and what ends the run as it is."""
        if self._fatal is not None:
            raise self._fatal
        key = json.dumps([list(messages), temperature, max_tokens], sort_keys=True)
        if key not in self._replies:
            try:
                self._replies[key] = self._ask(messages, temperature, max_tokens)
            except RowError as error:
                self._replies[key] = error
            except RilctlError as error:
                self._fatal = error
                raise
        reply = self._replies[key]
        if isinstance(reply, RowError):
            if getattr(self._local, "error", None) is None:
                self._local.error = reply
            raise reply
        return reply

    def _ask(self, messages: Sequence[Mapping[str, Any]], temperature: float, max_tokens: int) -> str:
        if self.chat is None:
            raise RowError("judge-missing", "the answer needs an LLM judge, and the recipe names none")
        reply = ""
        for hotter in _HOTTER:
            reply = self.chat.chat(messages, temperature=temperature + hotter, max_tokens=max_tokens).strip()
            if reply and (not self._is_score or _begins_with_score(reply)):
                return reply
        raise RowError("judge-unreadable", f"the judge's reply can't be read: {reply[:80]!r}")


def _begins_with_score(reply: str) -> bool:
    try:
        return 0.0 <= float(reply.split(" ")[0].strip()) <= 1.0
    except ValueError:
        return False


_current: JudgeCalls | None = None
"""Tasks are imported once per process and keep their client, so the client looks here at every call."""


@contextlib.contextmanager
def judge_access(calls: JudgeCalls) -> Iterator[None]:
    """Inside, the tasks' judge calls go to `calls`; one benchmark at a time in a process."""
    global _current
    evaluator = importlib.import_module("lmms_eval.tasks.mmbench.mmbench_evals").MMBench_Evaluator
    before, _current = _current, calls
    own = evaluator.get_chat_response
    evaluator.get_chat_response = _mmbench_reply
    try:
        yield
    finally:
        _current = before
        evaluator.get_chat_response = own


def _mmbench_reply(_: Any, prompt: str, temperature: float = 0, max_tokens: int = 256, **_more: object) -> str:
    return _calls().ask([{"role": "user", "content": prompt}], temperature=temperature, max_tokens=max_tokens)


def _calls() -> JudgeCalls:
    if _current is None:
        raise RowError("judge-missing", "a task asked its judge outside of an evaluation")
    return _current


class _Provider(ServerInterface):  # type: ignore[misc]
    """What lmms-eval's `llm_judge` takes for a server."""

    def evaluate(self, request: Request) -> Response:
        """One call; raises where there is no verdict."""
        calls, config = _calls(), request.config or self.config
        reply = calls.ask(
            self.prepare_messages(request), temperature=float(config.temperature), max_tokens=int(config.max_tokens)
        )
        return Response(content=reply, model_used=calls.chat.name if calls.chat is not None else "none")

    def is_available(self) -> bool:
        """Failures are reported call by call."""
        return True


ProviderFactory.register_provider(API_TYPE, _Provider)
