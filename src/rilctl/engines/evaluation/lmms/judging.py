"""Judge calls of lmms-eval's tasks, answered by the recipe's judge.

The tasks know two clients: `llm_judge` (MathVista, MM-Vet, MM-Vet-v2), which takes providers of others by name, and
MMBench's own, one method of which is replaced while a benchmark runs. So no address and no key reaches lmms-eval, every
call goes through our engines, and a call that fails is seen: left alone, these tasks log it and score 0 or draw an
answer at random.

The tasks ask one call at a time, from deep inside. Here a call whose reply isn't known yet is only noted, and fails;
when all questions have noted theirs, they are asked together, and the questions are scored again. While lmms-eval
aggregates, the few calls that are new (MMBench guesses differently then) are asked one by one.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lmms_eval.llm_judge import ProviderFactory, Request, Response, ServerInterface

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.evaluation.lmms.chance import undrawn
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.errors import RowError
from rilctl.private.lmms_eval import mmbench_asking

API_TYPE: Final = "rilctl"
"""The name of our provider."""
_HOTTER: Final = (0.0, 0.5, 1.0, 1.5)
"""Added to the temperature until a score can be read; lmms-eval's own steps."""


@dataclass(frozen=True)
class _Call:
    prompt: str
    temperature: float
    max_tokens: int


class NotYet(RowError):
    """A reply isn't known yet; the call is noted."""


class JudgeCalls:
    """One benchmark's calls, each asked once.

    Args:
        judge: answers them; None: every call fails.
        is_score: whether a reply must begin with a score from 0 to 1.
    """

    def __init__(self, judge: GenerationEngine | None, *, is_score: bool) -> None:
        self.asks_at_once = False
        """Ask what isn't known instead of noting it."""
        self._judge, self._is_score = judge, is_score
        self._replies: dict[_Call, str | RowError] = {}
        self._noted: dict[_Call, None] = {}
        self._error: RowError | None = None

    @property
    def name(self) -> str:
        """The judge, as tasks record it."""
        return self._judge.model_name if self._judge is not None else "none"

    def take_error(self) -> RowError | None:
        """The first call that failed since the last look, if one has; tasks swallow it."""
        error, self._error = self._error, None
        return error

    def reply(self, prompt: str, temperature: float, max_tokens: int) -> str:
        """The judge's reply. Raises `NotYet`, or the `RowError` that keeps it from coming."""
        try:
            return self._reply(prompt, temperature, max_tokens)
        except RowError as error:
            self._error = self._error or error
            raise

    def ask_noted(self) -> bool:
        """Ask all calls that were noted; False where none was."""
        by_sampling: defaultdict[tuple[float, int], list[_Call]] = defaultdict(list)
        for call in self._noted:
            by_sampling[call.temperature, call.max_tokens].append(call)
        self._noted = {}
        for (temperature, max_tokens), calls in by_sampling.items():
            self._ask(calls, SamplingConfig(max_new_tokens=max_tokens, temperature=temperature))
        return bool(by_sampling)

    def _ask(self, calls: Sequence[_Call], sampling: SamplingConfig) -> None:
        if self._judge is None:
            missing = RowError("judge-missing", "the answer needs an LLM judge, and the recipe names none")
            self._replies |= dict.fromkeys(calls, missing)
            return
        requests = [GenerationRequest("judge", Conversation.of(call.prompt), (0,)) for call in calls]
        with undrawn():  # clients draw how long they wait before they ask again
            answers = self._judge.generate(requests, sampling)
        for call, answer in zip(calls, answers, strict=True):
            self._replies[call] = answer if isinstance(answer, RowError) else answer[0].text.strip()

    def _reply(self, prompt: str, temperature: float, max_tokens: int) -> str:
        reply = ""
        for hotter in _HOTTER:
            call = _Call(prompt, temperature + hotter, max_tokens)
            if call not in self._replies:
                self._noted[call] = None
                if not self.asks_at_once:
                    raise NotYet("judge-missing", "a judge's reply isn't there")
                self.ask_noted()
            known = self._replies[call]
            if isinstance(known, RowError):
                raise known
            if known and (not self._is_score or _begins_with_score(known)):
                return known
            reply = known
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
    before, _current = _current, calls
    try:
        with mmbench_asking(_mmbench_reply):
            yield
    finally:
        _current = before


def _mmbench_reply(_: Any, prompt: str, temperature: float = 0, max_tokens: int = 256, **_more: object) -> str:
    return _calls().reply(prompt, float(temperature), max_tokens)


def _calls() -> JudgeCalls:
    if _current is None:
        raise RowError("judge-missing", "a task asked its judge outside of an evaluation")
    return _current


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    """The one turn that these tasks ask; raises `RowError` for anything else."""
    content = messages[0]["content"] if len(messages) == 1 else None
    if not isinstance(content, str):
        raise RowError("judge-missing", "the task asks its judge more than one turn of text")
    return content


class _Provider(ServerInterface):  # type: ignore[misc]
    """What lmms-eval's `llm_judge` takes for a server."""

    def evaluate(self, request: Request) -> Response:
        """One call; raises where there is no reply."""
        config = request.config or self.config
        reply = _calls().reply(_text(self.prepare_messages(request)), float(config.temperature), int(config.max_tokens))
        return Response(content=reply, model_used=_calls().name)

    def is_available(self) -> bool:
        """Failures are reported call by call."""
        return True


ProviderFactory.register_provider(API_TYPE, _Provider)
