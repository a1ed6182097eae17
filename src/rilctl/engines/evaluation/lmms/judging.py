"""Judge calls of lmms-eval's tasks, answered by the recipe's judge.

The tasks know two clients: `llm_judge` (MathVista, MM-Vet, MM-Vet-v2), which takes providers of others by name, and
MMBench's own, one method of which is replaced while a benchmark runs. So no address and no key reaches lmms-eval, every
call goes through our engines, and a call that fails is seen: left alone, these tasks log it and score 0 or draw an
answer at random.

The tasks ask one call at a time, from deep inside. Here a call whose reply isn't known yet is only noted, and fails;
when all questions have noted theirs, they are asked together, and the questions are scored again. While lmms-eval
aggregates, the few calls that are new (MMBench guesses differently then) are asked one by one.

The judge is under watch (`watched`): canaries in the task's own prompts stand between its calls, and nothing that it
said counts before a check that came after it is clean.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from lmms_eval.llm_judge import ProviderFactory, Request, Response, ServerInterface

from rilctl.config.fields import SamplingConfig
from rilctl.engines.evaluation.lmms.chance import undrawn
from rilctl.engines.evaluation.lmms.watched import Call, TaskCanaries, TaskCanary, TaskHearing
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.engines.judging.check import Check
from rilctl.engines.judging.spoken import Answer
from rilctl.engines.judging.watching import Watch
from rilctl.errors import RowError
from rilctl.private.lmms_eval import mmbench_asking

API_TYPE: Final = "rilctl"
"""The name of our provider."""
_HOTTER: Final = (0.0, 0.5, 1.0, 1.5)
"""Added to the temperature until a score can be read; lmms-eval's own steps."""


class NotYet(RowError):
    """A reply isn't known yet; the call is noted."""


class JudgeCalls:
    """One benchmark's calls, each asked once.

    Args:
        judge: answers them; None: every call fails.
        is_score: whether a reply must begin with a score from 0 to 1.
    """

    def __init__(self, judge: BenchmarkJudge | None, *, is_score: bool) -> None:
        self.asks_at_once = False
        """Ask what isn't known instead of noting it."""
        self._judge, self._is_score = judge, is_score
        self._replies: dict[Call, str | RowError] = {}
        self._noted: dict[Call, None] = {}
        self._error: RowError | None = None
        self._watch: Watch[TaskCanary] | None = None
        self._was_asked = False
        self.checks: list[Check[TaskCanary]] = []
        """The newest check of each task."""

    @property
    def name(self) -> str:
        """The judge, as tasks record it."""
        return self._judge.known.model_name if self._judge is not None else "none"

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

    @contextlib.contextmanager
    def watched(self, canaries: TaskCanaries, hearing: Callable[[BenchmarkJudge], TaskHearing]) -> Iterator[None]:
        """Inside, one task's calls are made; at its end all of its replies count.

        Args:
            canaries: of the task.
            hearing: how they are put.

        Raises:
            RilctlError: the judge can't be trusted. What it said since the last clean check is dropped.
        """
        judge = self._judge
        if judge is None:
            yield
            return
        self._was_asked = False
        self._watch = watch = Watch(
            hearing(judge),
            canaries,
            judge.config,
            judge.provisional,
            numbers=judge.numbers,
            check_stop=judge.check_stop,
        )
        try:
            yield
            with undrawn():
                watch.settle()
                if self._was_asked:
                    watch.begin()  # all of it was known: how the judge is stands beside the score all the same
        finally:
            self._watch = None
        if watch.newest is not None:
            self.checks.append(watch.newest)

    @contextlib.contextmanager
    def supposing(self, replies: Mapping[Call, str | RowError]) -> Iterator[list[Call]]:
        """Inside, the judge said this and nothing else, and nobody is asked. Gives what would be."""
        before = self._replies, self._noted, self.asks_at_once, self._error
        self._replies, self._noted, self.asks_at_once = dict(replies), {}, False
        noted: list[Call] = []
        try:
            yield noted
        finally:
            noted += self._noted
            self._replies, self._noted, self.asks_at_once, self._error = before

    def ask_noted(self) -> bool:
        """Ask all calls that were noted; False where none was."""
        by_sampling: defaultdict[SamplingConfig, list[Call]] = defaultdict(list)
        for call in self._noted:
            by_sampling[call.sampling].append(call)
        self._noted = {}
        for sampling, calls in by_sampling.items():
            self._ask(calls, sampling)
        return bool(by_sampling)

    def _ask(self, calls: Sequence[Call], sampling: SamplingConfig) -> None:
        judge, watch = self._judge, self._watch
        if judge is None:
            missing = RowError("judge-missing", "the answer needs an LLM judge, and the recipe names none")
            self._replies |= dict.fromkeys(calls, missing)
            return

        def ask(prompts: Sequence[str]) -> list[Answer]:
            return judge.ask(prompts, sampling)

        self._was_asked = True
        prompts, every = [call.prompt for call in calls], judge.config.canaries_every
        with undrawn():  # clients draw how long they wait before they ask again
            if watch is None or self.asks_at_once:  # from deep inside a task, which would swallow a check's error
                answers = ask(prompts)
            else:
                answers = []
                for start in range(0, len(prompts), every):
                    some = prompts[start : start + every]
                    at_once = judge.known.rows_at_once
                    is_first = watch.newest is None
                    answers += watch.beside(some, ask, num_of_all=len(some), at_once=at_once, settles=is_first)
        for call, answer in zip(calls, answers, strict=True):
            self._replies[call] = answer if isinstance(answer, RowError) else answer[0].text.strip()

    def _reply(self, prompt: str, temperature: float, max_tokens: int) -> str:
        reply = ""
        for hotter in _HOTTER:
            call = Call(prompt, temperature + hotter, max_tokens)
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
