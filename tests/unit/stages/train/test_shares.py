"""Each of several ranks reads its own share of a step's rows. They are threads here, and what they read is noted."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from rilctl.config.judge import RuleJudgeConfig
from rilctl.config.train import TrainConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.rule import RuleJudge
from rilctl.engines.training.ranks import Ranks
from rilctl.stages.train.rollout_log import LearnedGroup, gather_groups
from rilctl.stages.train.row_metrics import row_metrics
from rilctl.stages.train.rows import Group, Row
from rilctl.stages.train.verdicts import JudgeAsker

T = TypeVar("T")
SIZE = 3
SAMPLES = [Sample(f"q{place}", Conversation.of(f"question {place}"), "8", "8") for place in range(7)]


class Threads(Ranks):
    """Ranks that are threads of this process."""

    def __init__(self, rank: int, board: list[list[str]], barrier: Barrier) -> None:
        super().__init__(rank, len(board))
        self._board, self._barrier = board, barrier
        self.read: list[str] = []
        """What this rank was given by others."""

    def gather(self, value: T) -> list[T]:
        """See `Ranks`."""
        return self.exchange([value] * self.size)

    def exchange(self, parts: Sequence[T]) -> list[T]:
        """See `Ranks`."""
        self._board[self.rank] = [json.dumps(part) for part in parts]
        self._barrier.wait(120)
        texts = [parts[self.rank] for parts in self._board]
        self._barrier.wait(120)
        self.read += [text for rank, text in enumerate(texts) if rank != self.rank]
        return [json.loads(text) for text in texts]


def on_all(work: Callable[[Threads], T]) -> tuple[list[Threads], list[T]]:
    """Every rank's ranks, and what its work gave."""
    board, barrier = [list[str]() for _ in range(SIZE)], Barrier(SIZE)
    ranks = [Threads(rank, board, barrier) for rank in range(SIZE)]
    with ThreadPoolExecutor(SIZE) as pool:
        return ranks, list(pool.map(work, ranks))


class Noting(RuleJudge):
    """Rules, and what they were asked."""

    def __init__(self) -> None:
        super().__init__(RuleJudgeConfig())
        self.asked: list[str] = []

    def verdicts(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `JudgeEngine`."""
        self.asked += [request.response for request in requests]
        return super().verdicts(requests)


def texts_of(rank: int) -> list[tuple[int, str]]:
    """Of a rank's questions, what it sampled: one right, one that all ranks have of their questions, one of its own."""
    return [(at, text) for at in range(rank, len(SAMPLES), SIZE) for text in ("8", "nothing", f"rank {rank} on {at}")]


def test_a_response_goes_to_the_rank_that_asks_for_it_and_to_no_other() -> None:
    judges = [Noting() for _ in range(SIZE)]

    def work(ranks: Threads) -> list[bool | None]:
        asker = JudgeAsker(judges[ranks.rank], ranks, num_askers=SIZE)
        return asker.verdicts(SAMPLES, texts_of(ranks.rank), TrainConfig(), lambda: None)

    all_ranks, said = on_all(work)
    expected = [text == "8" for rank in range(SIZE) for _, text in texts_of(rank)]
    assert said == [expected] * SIZE
    num_asked = [len(judge.asked) for judge in judges]
    assert sum(num_asked) == len(expected) and max(num_asked) - min(num_asked) <= 1
    for ranks, judge in zip(all_ranks, judges, strict=True):
        seen = json.dumps(ranks.read)
        others = [text for rank in range(SIZE) if rank != ranks.rank for _, text in texts_of(rank) if "on" in text]
        assert {text for text in others if f'\\"{text}\\"' in seen} == set(others) & set(judge.asked)


def test_the_same_response_to_the_same_question_is_asked_for_once_over_all_ranks() -> None:
    twice = [*SAMPLES[:2], SAMPLES[0]]  # a question may come twice in a step
    judges = [Noting() for _ in range(SIZE)]

    def work(ranks: Threads) -> list[bool | None]:
        asker = JudgeAsker(judges[ranks.rank], ranks, num_askers=1)
        return asker.verdicts(twice, [(ranks.rank, "8"), (ranks.rank, "8")], TrainConfig(), lambda: None)

    _, said = on_all(work)
    assert said == [[True] * 6] * SIZE
    assert [judge.asked for judge in judges] == [["8", "8"], [], []]


def group(place: int) -> Group:
    rows = tuple(
        Row(
            "student",
            "student",
            f"text {place}",
            (1, 2),
            "stop",
            True,
            (-0.5, -0.5),
            reward=float(index),
            advantage=0.5,
        )
        for index in range(2)
    )
    prompt: Any = None
    return Group(place, SAMPLES[place], prompt, rows)


def test_rank_0_alone_reads_all_rows_and_tells_their_metrics() -> None:
    config = TrainConfig.model_validate({"algorithm": {"name": "dr_grpo"}})

    def work(ranks: Threads) -> tuple[list[LearnedGroup], dict[str, float]]:
        learned = gather_groups(ranks, 1, [group(place) for place in ranks.share(range(len(SAMPLES)))])
        return learned, row_metrics(ranks, learned, config)

    all_ranks, found = on_all(work)
    assert [each.place for each in found[0][0]] == list(range(len(SAMPLES)))
    assert [learned for learned, _ in found[1:]] == [[], []]
    assert all(metrics == found[0][1] for _, metrics in found) and found[0][1]["response/mean_tokens"] == 2.0
    alone = Ranks()
    assert row_metrics(alone, gather_groups(alone, 1, [group(p) for p in range(len(SAMPLES))]), config) == found[0][1]
    for ranks in all_ranks[1:]:
        assert not any("text" in text for text in ranks.read)
