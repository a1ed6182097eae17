"""Canaries in a benchmark's own prompts, so that its judge is watched while it is asked.

A canary is a statement about one of the benchmark's documents. The task's own code makes the judge's prompt of it, and
makes a score of the reply, as for any response. Which score is the right one, the same code says of the reply that a
judge gives who reads the statement well.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rilctl.config.fields import SamplingConfig
from rilctl.engines.evaluation.lmms.statements import Maker, Question, Statement
from rilctl.engines.generation.base import Usage
from rilctl.engines.judging.base import Verdict
from rilctl.engines.judging.benchmarks import BenchmarkJudge, requests_of
from rilctl.engines.judging.spoken import Answer
from rilctl.errors import RilctlError, RowError

_TRIES: Final = 10
"""For each canary that is wanted; a few documents make no more of them."""
_HALF: Final = 0.5


@dataclass(frozen=True)
class Call:
    """A judge call of a task."""

    prompt: str
    temperature: float
    max_tokens: int

    @property
    def sampling(self) -> SamplingConfig:
        """How its reply is sampled."""
        return SamplingConfig(max_new_tokens=self.max_tokens, temperature=self.temperature)


Score = Callable[[int, str, Mapping[Call, str | RowError]], float | Call | RowError]
"""Of a response to a document, with these replies: its score, the call that it needs as well, or why it has none."""


@dataclass(frozen=True)
class TaskCanary:
    """See `Known`; `call` is what the judge is asked about `text`, which is said of document `doc_id`."""

    kind: str
    is_right: bool
    doc_id: int
    text: str
    call: Call


class TaskCanaries:
    """See `Drawing`.

    Args:
        name: of the task.
        questions: by number of the document.
        make: makes statements of the kind that this judge is asked about.
        score: the task's own code.
    """

    def __init__(self, name: str, questions: Mapping[int, Question], make: Maker, score: Score) -> None:
        self._name, self._questions, self._make, self._score = name, questions, make, score
        self._dice = random.SystemRandom()

    def draw(self, num_wrong: int, num_right: int, put: Sequence[TaskCanary] = ()) -> list[TaskCanary]:
        """See `Drawing`. Raises `RilctlError` where no statement about the task's documents needs the judge."""
        found = self._of_a_side(num_wrong, put, is_right=False) + self._of_a_side(num_right, put, is_right=True)
        self._dice.shuffle(found)
        return found

    def _of_a_side(self, num: int, put: Sequence[TaskCanary], *, is_right: bool) -> list[TaskCanary]:
        found, again = dict[Call, TaskCanary](), [canary for canary in put if canary.is_right is is_right]
        known = {canary.call for canary in again}
        for _ in range(_TRIES * num):
            if len(found) == num:
                break
            canary = self._canary(is_right=is_right)
            if canary is not None and canary.call not in known:
                found[canary.call] = canary
        pool = [*found.values(), *again]
        if num and not pool:
            raise RilctlError(
                f"the judge of task `{self._name}` can't be checked: no {'right' if is_right else 'wrong'} answer to "
                f"its {len(self._questions)} questions makes a canary",
                hint="leave the benchmark out with `--tasks`, or raise `eval.limit`",
            )
        return [*found.values(), *(self._dice.choice(pool) for _ in range(num - len(found)))]

    def _canary(self, *, is_right: bool) -> TaskCanary | None:
        doc_id = self._dice.choice([*self._questions])
        others = [question for number, question in self._questions.items() if number != doc_id]
        statement = self._statement(doc_id, others, is_right=is_right)
        if statement is None:
            return None
        call = self._score(doc_id, statement.text, {})
        if not isinstance(call, Call):
            return None  # the task's own rules read it
        score = self._score(doc_id, statement.text, {call: statement.reply})
        if not isinstance(score, float) or (score >= _HALF) is not is_right:
            return None
        return TaskCanary("right" if is_right else "wrong", is_right, doc_id, statement.text, call)

    def _statement(self, doc_id: int, others: Sequence[Question], *, is_right: bool) -> Statement | None:
        if not others and not is_right:
            others = [self._questions[doc_id]]
        return self._make(self._questions[doc_id], others, is_right, self._dice)


class TaskHearing:
    """See `Hearing`: a benchmark's prompts, and its scores as verdicts.

    Args:
        judge: is asked.
        score: the task's own code.
    """

    def __init__(self, judge: BenchmarkJudge, score: Score) -> None:
        self._judge, self._score = judge, score
        self._between: list[TaskCanary] = []
        self._usage: Usage | None = None

    @property
    def rows_at_once(self) -> int:
        """See `Hearing`."""
        return self._judge.afresh.rows_at_once

    def put_between(self, canaries: Sequence[TaskCanary]) -> None:
        """See `Hearing`."""
        self._between = [*canaries]
        self._judge.afresh.put_between(requests_of([canary.call.prompt for canary in canaries]))

    def heard_between(self) -> list[Verdict | None]:
        """See `Hearing`."""
        answers = self._judge.afresh.heard_between()
        return [
            None if answer is None else self._verdict(canary, answer)
            for canary, answer in zip(self._between, answers, strict=True)
        ]

    def verdicts(self, canaries: Sequence[TaskCanary]) -> list[Verdict]:
        """See `Hearing`."""
        found: dict[int, Verdict] = {}
        for sampling in dict.fromkeys(canary.call.sampling for canary in canaries):
            some = [at for at, canary in enumerate(canaries) if canary.call.sampling == sampling]
            prompts = requests_of([canaries[at].call.prompt for at in some])
            for at, answer in zip(some, self._judge.afresh.generate(prompts, sampling), strict=True):
                found[at] = self._verdict(canaries[at], answer)
        return [found[at] for at in range(len(canaries))]

    def counts(self) -> dict[str, float]:
        """See `Hearing`."""
        total = self._usage
        return {"input_tokens": float(total.input_tokens), "output_tokens": float(total.output_tokens)} if total else {}

    def _verdict(self, canary: TaskCanary, answer: Answer) -> Verdict:
        if isinstance(answer, RowError):
            return Verdict(None, None, f"{answer.reason}: {answer.message}")
        if answer[0].usage:
            self._usage = (self._usage or Usage()) + answer[0].usage
        reply = answer[0].text.strip()
        score = self._score(canary.doc_id, canary.text, {canary.call: reply})
        shown = reply[:80]
        if isinstance(score, float):
            return Verdict(score >= _HALF, None, shown)
        return Verdict(None, None, f"no verdict in the reply: {shown!r}")
