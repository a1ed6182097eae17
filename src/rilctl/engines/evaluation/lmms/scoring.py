"""A task's own scoring code, question by question, so that a question without a verdict leaves the score."""

import copy
import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from rilctl.engines.evaluation.lmms.chance import undrawn, watched
from rilctl.engines.evaluation.lmms.judging import JudgeCalls, NotYet
from rilctl.engines.evaluation.lmms.questions import DOC_ERRORS
from rilctl.engines.evaluation.lmms.watched import Call
from rilctl.errors import ConfigError, RowError
from rilctl.private.lmms_eval import documents, own_process_results

ROTATION: Final = 1_000_000
"""MMBench numbers the rotations of question i as i + k * 1,000,000."""
NUM_RESAMPLES: Final = 500


@dataclass
class Scored:
    """What a task made of its responses.

    Args:
        values: what counts for the metric, by number of the document.
        scores: 0 to 1, by number of the question's first document.
        guessed: questions whose answer was drawn at random.
        errors: why a document has no score.
    """

    values: dict[int, Any] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    guessed: set[int] = field(default_factory=set)
    errors: dict[int, RowError] = field(default_factory=dict)


class TaskScoring:
    """Stands in for a task's `process_results` while lmms-eval evaluates it.

    At the first call, when all responses are filtered, every document is scored with the task's own functions, in
    order. lmms-eval then gets the same values, and nothing for documents without a score, so its aggregate leaves
    them out.

    Args:
        task: lmms-eval's object.
        metric: the metric that is reported.
        scale: its highest value.
        rotations: see `Benchmark`.
        calls: the judge's.
        errors: documents that have no response, and why.
        on_scored: called after each document; may raise to stop.
    """

    def __init__(
        self,
        task: Any,
        *,
        metric: str,
        scale: float,
        rotations: bool,
        calls: JudgeCalls,
        errors: Mapping[int, RowError],
        on_scored: Callable[[], None],
    ) -> None:
        if metric not in task.aggregation():
            known = ", ".join(task.aggregation())
            raise ConfigError(f"task `{task.config.task}` has no metric `{metric}`", hint=f"it has {known}")
        self.scored = Scored(errors=dict(errors))
        self._task, self._metric, self._scale, self._rotations = task, metric, scale, rotations
        self._calls, self._on_scored = calls, on_scored
        self._process = own_process_results(task)
        self._order: Iterator[int] | None = None

    def process_results(self, doc: Any, results: Any, **_: Any) -> dict[str, Any]:
        """See `lmms_eval.api.task.Task.process_results`."""
        if self._order is None:
            self._score_all()
            self._order = iter(self._responses())
            self._calls.asks_at_once = True
        doc_id = next(self._order)
        return {self._metric: self.scored.values[doc_id]} if doc_id in self.scored.values else {}

    def aggregate(self, values: Sequence[Any]) -> float:
        """The metric over some documents, 0 to 1; lmms-eval's MathVista says None for 0."""
        function = self._task.aggregation()[self._metric]
        own = copy.deepcopy(list(values))  # MathVista changes what it aggregates
        with_args = "args" in inspect.signature(function).parameters
        score = function(own, args=self._task.args) if with_args else function(own)
        return 0.0 if score is None else float(score) / self._scale

    def resampled(self) -> tuple[float, ...]:
        """The metric on resamples of the questions, with replacement; the same ones at every call."""
        values = list(self.scored.values.values())
        if not values:
            return ()
        draw = random.Random(0)
        return tuple(self.aggregate(draw.choices(values, k=len(values))) for _ in range(NUM_RESAMPLES))

    def scored_with(self, doc_id: int, text: str, replies: Mapping[Call, str | RowError]) -> float | Call | RowError:
        """What the task makes of a response if the judge says this; see `watched.Score`."""
        with undrawn(), watched() as drawn, self._calls.supposing(replies) as noted:
            try:
                made: float | RowError | None = self._score([doc_id], {doc_id: text})[1]
            except RowError as error:
                made = error
        if noted:
            return noted[0]
        if made is None or drawn:
            return RowError("judge-unreadable", "the task can't read the judge's reply")
        return made

    def _responses(self) -> dict[int, Any]:
        """Filtered responses, by number of the document, in order."""
        return {int(each.doc_id): next(iter(each.filtered_resps.values())) for each in self._task.instances}

    def _score_all(self) -> None:
        self._calls.asks_at_once = False
        responses = self._responses()
        questions = self._questions(responses)
        with undrawn():
            self._ask_judge(questions, responses)
        with watched() as drawn:
            for docs in questions:
                drawn.clear()
                try:
                    values, score = self._score(docs, responses)
                except RowError as error:
                    self.scored.errors |= {doc_id: error for doc_id in docs if doc_id not in self.scored.errors}
                else:
                    self.scored.values |= values
                    if score is not None:
                        self.scored.scores[docs[0]] = score
                        self.scored.guessed |= {docs[0]} if drawn else set()
                for _ in docs:
                    self._on_scored()

    def _questions(self, responses: Mapping[int, Any]) -> list[list[int]]:
        """Documents that make one question together."""
        if not self._rotations:
            return [[doc_id] for doc_id in responses]
        rows, groups = documents(self._task), dict[int, list[int]]()
        for doc_id in responses:
            groups.setdefault(int(rows[doc_id]["index"]) % ROTATION, []).append(doc_id)
        return list(groups.values())

    def _ask_judge(self, questions: Sequence[list[int]], responses: Mapping[int, Any]) -> None:
        """Until every reply that scoring needs is there: a reply may lead to another call."""
        waiting = list(questions)
        while waiting:
            waiting = [docs for docs in waiting if self._waits(docs, responses)]
            if not self._calls.ask_noted():
                return
            self._on_scored()

    def _waits(self, docs: Sequence[int], responses: Mapping[int, Any]) -> bool:
        try:
            self._score(docs, responses)
        except NotYet:
            return True
        except RowError:
            pass  # it is met again
        return False

    def _score(self, docs: Sequence[int], responses: Mapping[int, Any]) -> tuple[dict[int, Any], float | None]:
        """A question's values and score; raises `RowError` where it has none."""
        values: dict[int, Any] = {}
        rows = documents(self._task)
        self._calls.take_error()
        try:
            for doc_id in docs:
                if doc_id in self.scored.errors:
                    raise self.scored.errors[doc_id]
                made = self._process(rows[doc_id], [responses[doc_id]])
                if self._metric in made:
                    values[doc_id] = made[self._metric]
            with undrawn():
                score = self.aggregate(list(values.values())) if values else None
        except DOC_ERRORS as error:  # MM-Vet-v2 stumbles over its own log line when its judge fails
            mistake = RowError("task-function", f"the task can't score it: {type(error).__name__}: {error}")
            raise (self._calls.take_error() or mistake) from error
        if (failed := self._calls.take_error()) is not None:
            raise failed
        if score is not None and not isfinite(score):
            raise RowError("task-function", f"the task's score is {score}")
        return values, score
