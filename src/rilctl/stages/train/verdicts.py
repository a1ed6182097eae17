"""Verdicts on several ranks: who asks the judge, what is kept of its answers, and how long they are waited for."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rilctl.config.train import TrainConfig
from rilctl.data.sample import Sample
from rilctl.engines.judging.base import JudgeEngine, JudgeRequest, judge_metrics
from rilctl.engines.judging.watch import WatchedJudge
from rilctl.engines.training.ranks import Ranks, add_up
from rilctl.errors import EndpointError
from rilctl.stages.train.paid import PaidCalls
from rilctl.stages.train.rewarding import are_enough


@dataclass
class Asked:
    """A step's responses and what the judge has said of them; the same on all ranks but for `own` and `held`.

    Args:
        samples: the questions, by their place in the step.
        rows: of each response of all ranks, those of rank 0 first, its place among those that differ.
        own: of this rank's responses, the same.
        holders: of each that differs, the first rank that has it.
        held: those that this rank is the holder of, by place: the question's place, and the text.
    """

    samples: Sequence[Sample]
    rows: list[int]
    own: list[int]
    holders: list[int]
    held: dict[int, tuple[int, str]]
    found: dict[int, bool] = field(default_factory=dict)
    """Verdicts by place."""
    failed: bool = False
    """Whether the judge was down for some rank when it was last asked."""

    def verdicts(self, rows: Sequence[int]) -> list[bool | None]:
        """What was said of some rows; None: nothing."""
        return [self.found.get(row) for row in rows]


@dataclass(frozen=True)
class Part:
    """What one rank is to ask.

    Args:
        requests: by place among the responses that differ; none where other ranks ask.
        is_whole: whether all ranks' parts together are all that is missing.
    """

    requests: Mapping[int, JudgeRequest]
    is_whole: bool


@dataclass(frozen=True)
class Said:
    """What the judge said to one rank: verdicts by place, and why there are no more."""

    found: Mapping[int, bool]
    failure: EndpointError | None = None


class JudgeAsker:
    """The judge, for all ranks: each asks for an even part of the responses, and none is asked for twice.

    Rank 0 alone puts canaries to it, for all. Where several ask, the first canaries are a round of their own, so that
    nobody pays a judge that can't be trusted.

    Args:
        judge: what this rank asks; None: other ranks ask.
        ranks: this process among the others.
        num_askers: so many ranks ask, from rank 0 on.
        is_watched: whether canaries are put to it.
        calls: what the judge's model has answered to this rank, where several ranks share its answers.
    """

    pause_s = 15.0
    """Between two attempts to get the verdicts that a step lacks."""

    def __init__(
        self,
        judge: JudgeEngine | None,
        ranks: Ranks,
        *,
        num_askers: int = 1,
        is_watched: bool = False,
        calls: PaidCalls | None = None,
    ) -> None:
        self._judge, self._ranks, self._num_askers, self._calls = judge, ranks, num_askers, calls
        self._is_trusted = num_askers == 1 or not is_watched

    def prepare(self, samples: Sequence[Sample], responses: Sequence[tuple[int, str]]) -> Asked:
        """What is to be asked. Collective.

        Args:
            samples: the questions, the same on all ranks.
            responses: this rank's, each with its question's place.
        """
        firsts: dict[JudgeRequest, int] = {}
        same = [firsts.setdefault(JudgeRequest.of(sample, ""), at) for at, sample in enumerate(samples)]
        places: dict[tuple[int, str], int] = {}
        holders, rows = list[int](), list[list[int]]()
        for rank, part in enumerate(self._ranks.gather([(same[at], _digest(text)) for at, text in responses])):
            rows.append([places.setdefault((at, digest), len(places)) for at, digest in part])
            holders += [rank] * (len(places) - len(holders))
        me, own = self._ranks.rank, rows[self._ranks.rank]
        held = {place: each for place, each in zip(own, responses, strict=True) if holders[place] == me}
        return Asked(samples, [row for part in rows for row in part], own, holders, held)

    def deal(self, asked: Asked) -> Part:
        """This rank's part of the responses without a verdict; what was answered before is looked up. Collective.

        A response that another rank holds than the one that asks for it goes there, and nowhere else.
        """
        missing = [place for place in range(len(asked.holders)) if place not in asked.found] if self._is_trusted else []
        asker_of = {place: number % self._num_askers for number, place in enumerate(missing)}
        parts: list[list[tuple[int, int, str]]] = [[] for _ in range(self._ranks.size)]
        for place, asker in asker_of.items():
            if place in asked.held:
                parts[asker].append((place, *asked.held[place]))
        own = parts[self._ranks.rank]
        if any(asked.holders[place] != asker for place, asker in asker_of.items()):
            own = sorted((place, at, text) for part in self._ranks.exchange(parts) for place, at, text in part)
        requests = {place: JudgeRequest.of(asked.samples[at], text) for place, at, text in own}
        if self._calls is not None:
            self._calls.look_up(self._judge.calls(list(requests.values())) if self._judge else [])
        return Part(requests, self._is_trusted)

    def ask(self, asked: Asked, part: Part) -> Said:
        """Put this rank's part to the judge, and canaries where they are due; may run beside collective calls.

        Raises:
            RilctlError: the judge can't be trusted.
        """
        judge, num_missing = self._judge, len(asked.holders) - len(asked.found)
        if judge is None or not num_missing:
            return Said({})
        requests = list(part.requests.values())
        try:
            if not isinstance(judge, WatchedJudge):
                verdicts = judge.verdicts(requests)
            elif not self._ranks.is_main:
                verdicts = judge.unwatched.verdicts(requests)
            elif part.is_whole:
                verdicts = judge.verdicts_beside(requests, num_missing)
            else:
                judge.begin([JudgeRequest.of(asked.samples[at], text) for at, text in asked.held.values()])
                return Said({})
        except EndpointError as failure:
            return Said({}, failure)
        correct = {place: verdict.correct for place, verdict in zip(part.requests, verdicts, strict=True)}
        return Said({place: right for place, right in correct.items() if right is not None})

    def collect(self, asked: Asked, said: Said) -> None:
        """Tell all ranks what was said, and keep what was paid for. Collective."""
        if self._calls is not None:
            self._calls.settle()
        asked.found.update((place, right) for place, right in self._ranks.gather_lists(list(said.found.items())))
        asked.failed = any(self._ranks.gather(said.failure is not None))
        self._is_trusted |= bool(asked.holders) and not asked.failed

    def wait_for_more(
        self,
        asked: Asked,
        part: Part,
        said: Said,
        config: TrainConfig,
        *,
        num_rows: int,
        check_stop: Callable[[], object],
    ) -> None:
        """Ask again while more verdicts are missing than the recipe allows, as patiently as it wants. Collective.

        Args:
            asked: what was asked once; filled in here.
            part: what this rank asked.
            said: what it was told.
            config: how many may be missing, and how long they are waited for.
            num_rows: of which verdicts are wanted, prepaid ones included.
            check_stop: called meanwhile; may raise to stop.

        Raises:
            EndpointError: the judge is down, and patience is over.
            RilctlError: it can't be trusted.
        """
        patience_s = config.verdict_wait_s if config.missing_verdicts == "wait" else 0.0
        deadline, is_last = time.monotonic() + patience_s, patience_s == 0
        while not are_enough(num_rows - asked.verdicts(asked.rows).count(None), num_rows, config):
            if part.is_whole or asked.failed:
                with self._ranks.together():
                    if is_last and said.failure is not None:
                        raise said.failure
                    if not is_last:
                        _pause(min(self.pause_s, max(0.0, deadline - time.monotonic())), check_stop)
                if is_last:
                    return
                is_last = self._ranks.gather(time.monotonic() >= deadline)[0]
            part, said = self._round(asked)

    def verdicts(
        self,
        samples: Sequence[Sample],
        responses: Sequence[tuple[int, str]],
        config: TrainConfig,
        check_stop: Callable[[], object],
    ) -> list[bool | None]:
        """Of the responses of all ranks, those of rank 0 first; None: no verdict. Collective; see `wait_for_more`."""
        asked = self.prepare(samples, responses)
        part, said = self._round(asked)
        self.wait_for_more(asked, part, said, config, num_rows=len(asked.rows), check_stop=check_stop)
        return asked.verdicts(asked.rows)

    def settle(self, config: TrainConfig, check_stop: Callable[[], object]) -> None:
        """Check the judge, so that all it has said may count; call it before a checkpoint. Collective.

        Args:
            config: how long a judge is waited for that is down.
            check_stop: called meanwhile; may raise to stop.

        Raises:
            EndpointError: the judge is down, and patience is over.
            RilctlError: it can't be trusted.
        """
        deadline = time.monotonic() + (config.verdict_wait_s if config.missing_verdicts == "wait" else 0.0)
        with self._ranks.together():
            while isinstance(self._judge, WatchedJudge) and self._ranks.is_main and self._judge.num_provisional:
                try:
                    self._judge.settle()
                except EndpointError:
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        raise
                    _pause(min(self.pause_s, left_s), check_stop)

    def metrics(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """What the judge knows about itself, over all ranks. Collective.

        Args:
            earlier: see `counts`.
        """
        trust = self._judge.trust() if isinstance(self._judge, WatchedJudge) and self._ranks.is_main else {}
        return judge_metrics(self.counts(earlier)) | trust

    def counts(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """What was counted in the whole run. Collective.

        Args:
            earlier: what was counted by the checkpoint that the run goes on from, over all ranks.
        """
        return add_up([earlier, self._ranks.add_up(self._judge.counts() if self._judge else {})])

    def close(self) -> None:
        """Give up what another thread asks; see `JudgeEngine.close`."""
        if self._judge is not None:
            self._judge.close()

    def _round(self, asked: Asked) -> tuple[Part, Said]:
        part = self.deal(asked)
        with self._ranks.together():
            said = self.ask(asked, part)
        self.collect(asked, said)
        return part, said


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _pause(seconds: float, check_stop: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check_stop()
        time.sleep(min(0.2, seconds))
