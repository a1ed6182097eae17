"""The recipe's judge for benchmarks that bring prompts of their own, with the call cache in front."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rilctl.artifacts.calls import CallCache, call_key
from rilctl.engines.evaluation.base import JudgeChat
from rilctl.engines.evaluation.suites import Suite
from rilctl.stages.context import StageContext

_CALL: Final = "judge-chat-1"
"""Part of every key; raised when a reply's stored form or meaning changes."""


class CachedChat:
    """A `JudgeChat` that asks nothing twice, across runs and after a kill.

    Args:
        judge: asked for what is missing.
        root: the workspace root, which holds the call cache.
    """

    def __init__(self, judge: JudgeChat, root: Path) -> None:
        self.name = judge.name
        self.max_concurrent = judge.max_concurrent
        self._judge, self._root = judge, root

    def chat(self, messages: Sequence[Mapping[str, Any]], *, temperature: float, max_tokens: int) -> str:
        """See `JudgeChat`."""
        key = call_key(
            {
                "call": _CALL,
                "judge": self.name,
                "messages": [dict(message) for message in messages],
                "temperature": temperature,
                "max_tokens": max_tokens,
            }
        )
        with CallCache(self._root) as cache:  # calls come from several threads, and a connection belongs to one
            found = cache.get_many([key]).get(key)
            if not isinstance(found, str):
                found = self._judge.chat(messages, temperature=temperature, max_tokens=max_tokens)
                cache.put_many({key: found})
        return found


@contextmanager
def open_judge_chat(context: StageContext, suite: Suite) -> Iterator[JudgeChat | None]:
    """The recipe's judge, where the suite needs one and the recipe has one that reads and writes."""
    yield None
