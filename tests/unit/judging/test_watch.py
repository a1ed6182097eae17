"""A judge under watch: what it says counts only once a later check is clean, and each check counts by itself."""

import contextlib
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from rilctl.artifacts.calls import CallCache
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.canaries import CANARIES, Canary
from rilctl.engines.judging.check import FALSE_ALARM, MISSED, Check, num_canaries
from rilctl.engines.judging.drawn_canaries import DrawnCanaries
from rilctl.engines.judging.rule import judge_answer
from rilctl.engines.judging.watch import WatchedJudge, metrics_of, planned_canaries
from rilctl.errors import RilctlError, RowError
from rilctl.schemas.records import ContextTurn
from rilctl.stages.shared.judging import judge_over
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.testing.judges import careful, read_prompt, reply_to
from rilctl.testing.scripted import ScriptedGeneration

CASES = [JudgeRequest(f"what is {n} plus 1?", str(n + 1), f"it is {n + 1 + n % 2}") for n in range(400)]


def config(**fields: Any) -> LlmJudgeConfig:
    return LlmJudgeConfig.model_validate_json(json.dumps({"type": "llm", "model": "judge", **fields}))


class Watched:
    """A watched judge whose model decides by the number of its call, from 0."""

    def __init__(self, cache: CallCache, decide: Callable[[int, JudgeRequest], bool | None], **fields: Any) -> None:
        self.cases: list[JudgeRequest] = []
        self.calls = ProvisionalCalls(cache)

        def script(request: GenerationRequest, seed: int) -> str:
            case = read_prompt(request.question)
            self.cases.append(case)
            verdict = decide(len(self.cases) - 1, case)
            return reply_to(request.question, lambda _: verdict)

        model = ScriptedGeneration(script)
        self.judge: WatchedJudge = judge_over(config(**fields), model, self.calls, self.calls)

    def ask(self, cases: list[JudgeRequest], at_once: int = 50) -> list[bool | None]:
        found = []
        for start in range(0, len(cases), at_once):
            found += self.judge.verdicts(cases[start : start + at_once])
        return [verdict.correct for verdict in found]


def honest(number: int, case: JudgeRequest) -> bool | None:
    return careful(case)


def num_stored(cache: CallCache) -> int:
    """By another connection: as another process sees it."""
    with contextlib.closing(sqlite3.connect(cache.path)) as database:
        return int(database.execute("SELECT count(*) FROM calls").fetchone()[0])


def test_what_it_says_counts_once_a_later_check_is_clean(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, honest, canaries_every=100)
        watched.ask(CASES[:50])
        assert (num_stored(cache), watched.judge.num_provisional) == (0, 50)
        watched.ask(CASES[50:100])
        assert (num_stored(cache), watched.judge.num_provisional) == (100, 0)
        watched.ask(CASES[100:130])
        assert watched.judge.num_provisional == 30
        watched.judge.settle()
        assert watched.judge.num_provisional == 0 and num_stored(cache) == 130
        num_before = len(watched.cases)
        watched.judge.settle()  # nothing is in doubt
        watched.ask(CASES[:130])
        watched.judge.settle()
        assert len(watched.cases) == num_before


def test_canaries_after_the_last_row_are_put_in_one_call_as_the_next_rows_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, generate = list[int](), ScriptedGeneration.generate

    def counted(self: ScriptedGeneration, requests: Any, sampling: SamplingConfig) -> Any:
        sizes.append(len(requests))
        return generate(self, requests, sampling)

    monkeypatch.setattr(ScriptedGeneration, "generate", counted)
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, honest, canaries_every=100)
        watched.judge.begin(CASES[:50])
        num_calls = len(sizes)
        watched.ask(CASES[:100], at_once=100)
        num = sum(sizes[num_calls:]) - 100
        assert num >= num_canaries(config())
        assert sizes[-1] == -(-num // 4)


def test_a_judge_that_says_nothing_is_refused_after_the_first_canaries(tmp_path: Path) -> None:
    """Each of them is asked three times; 74 would be put to one that speaks."""
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, lambda number, case: None)
        with pytest.raises(RilctlError, match="the judge gave no verdict on any "):
            watched.ask(CASES[:5])
        trust = watched.judge.trust()
        assert trust["canary/num_no_verdict"] == trust["canary/num"] in (8, 24)  # of 8, both sides may have four
        assert len(watched.cases) == 3 * trust["canary/num"]


@pytest.mark.parametrize("turns_at", [130, 160, 199])
def test_what_a_judge_said_that_turned_bad_is_dropped_and_an_honest_one_is_asked(tmp_path: Path, turns_at: int) -> None:
    """Of 200 rows, a check after each 100: whatever it said after the last clean one is worth nothing."""
    num, rows = num_canaries(config()), iter(range(10_000))

    def decide(number: int, case: JudgeRequest) -> bool | None:
        is_row = case in CASES and number >= num
        nth = next(rows) if is_row else None
        decide.bad |= nth is not None and nth >= turns_at  # type: ignore[attr-defined]
        return not careful(case) if decide.bad else careful(case)  # type: ignore[attr-defined]

    decide.bad = False  # type: ignore[attr-defined]
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, decide, canaries_every=100)
        with pytest.raises(RilctlError, match="canaries (right|wrong) "):
            watched.ask(CASES[:200])
        assert (num_stored(cache), watched.judge.num_provisional) == (100, 0)
        again = Watched(cache, honest, canaries_every=100)
        assert again.ask(CASES[:200]) == [n % 2 == 0 for n in range(200)]


def test_a_stale_judge_is_found_by_one_check_though_many_were_clean(tmp_path: Path) -> None:
    """It calls everything wrong: the newest check alone counts, however long it was honest."""
    num_rows = 0

    def stale(number: int, case: JudgeRequest) -> bool | None:
        return careful(case) if num_rows < 300 else False

    with CallCache(tmp_path) as cache:
        watched = Watched(cache, stale, canaries_every=50)
        watched.ask(CASES[:300])
        num_rows = 300
        with pytest.raises(RilctlError, match=r"of the right canaries wrong .*max_false_negatives"):
            watched.ask(CASES[300:350])


@pytest.mark.parametrize("form", ["tag", "json"])
def test_replies_that_were_swapped_are_no_verdicts(tmp_path: Path, form: str) -> None:
    """A reply that belongs to another case names that case, in either form."""
    last: list[str] = []

    def swapped(request: GenerationRequest, seed: int) -> str:
        last.append(reply_to(request.question, careful))
        return last[-2] if len(last) > 1 else last[0]

    endpoint = {"endpoint": {"url": "http://127.0.0.1:1/v1"}} if form == "json" else {}
    with CallCache(tmp_path) as cache:
        calls = ProvisionalCalls(cache)
        judge = judge_over(
            config(verdict_form=form, num_retries=0, **endpoint), ScriptedGeneration(swapped), calls, calls
        )
        with pytest.raises(RilctlError, match="no verdict on "):
            judge.verdicts(CASES[:200])
        verdicts = judge.unwatched.verdicts(CASES[:200])
    assert [verdict.correct for verdict in verdicts] == [None] * 200


def test_a_judge_that_says_nothing_to_most_canaries_fails(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        watched = Watched(
            cache, lambda number, case: None if crc32(case.response.encode()) % 20 < 13 else careful(case)
        )
        said = r"no verdict on (\d+ of \d+ (wrong|right) canaries|any (wrong|right) canary)"
        with pytest.raises(RilctlError, match=said) as caught:
            watched.ask(CASES[:10])
        assert "`judge.max_no_verdicts` is 25.0%" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (lambda number, case: True, "calls .*% of the wrong canaries right .*max_false_positives"),
        (lambda number, case: False, "calls .*% of the right canaries wrong .*max_false_negatives"),
        (lambda number, case: None, "no verdict on any (wrong|right) canary: no verdict in the reply: I can't decide"),
    ],
)
def test_a_bad_judge_is_never_asked_for_a_verdict(tmp_path: Path, decide: Any, message: str) -> None:
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, decide, num_retries=0)
        with pytest.raises(RilctlError, match=message) as caught:
            watched.ask(CASES[:10])
        assert caught.value.exit_code == 1
        assert (num_stored(cache), watched.judge.num_provisional) == (0, 0)
        assert len(watched.cases) <= num_canaries(config())


def test_an_outage_during_a_check_is_no_check(tmp_path: Path) -> None:
    is_down = True

    def decide(number: int, case: JudgeRequest) -> bool | None:
        if is_down:
            raise RilctlError("down")
        return careful(case)

    with CallCache(tmp_path) as cache:
        watched = Watched(cache, decide)
        with pytest.raises(RilctlError, match="down"):
            watched.ask(CASES[:10])
        is_down = False
        assert watched.ask(CASES[:10]) == [n % 2 == 0 for n in range(10)]
        assert len(watched.cases) == 1 + num_canaries(config()) + 10


def test_a_judge_that_was_bad_when_it_was_killed_and_is_honest_again_leaves_nothing(tmp_path: Path) -> None:
    """A check says how a judge is then: what nobody had checked is asked for again, whatever came of it."""
    with CallCache(tmp_path) as cache:
        bad = Watched(
            cache, lambda number, case: careful(case) if number < num_canaries(config()) else not careful(case)
        )
        assert bad.ask(CASES[:20]) == [n % 2 == 1 for n in range(20)]  # and then it is gone
    with CallCache(tmp_path) as cache:
        healed = Watched(cache, honest)
        assert healed.ask(CASES[:20]) == [n % 2 == 0 for n in range(20)]
        healed.judge.settle()
        assert num_stored(cache) == 20
        again = Watched(cache, honest)
        assert again.ask(CASES[:20]) == [n % 2 == 0 for n in range(20)]
        assert len(again.cases) == num_canaries(config())  # what a clean check covered isn't asked twice


def test_one_process_does_not_confirm_what_another_one_was_told(tmp_path: Path) -> None:
    with CallCache(tmp_path) as one, CallCache(tmp_path) as other:
        bad = Watched(one, lambda number, case: careful(case) if number < num_canaries(config()) else not careful(case))
        bad.ask(CASES[:20])
        good = Watched(other, honest)
        assert good.ask(CASES[:20]) == [n % 2 == 0 for n in range(20)]
        good.judge.settle()
        with pytest.raises(RilctlError, match="the judge calls"):
            bad.judge.settle()
        assert (num_stored(one), bad.judge.num_provisional) == (20, 0)
        assert Watched(one, honest).ask(CASES[:20]) == [n % 2 == 0 for n in range(20)]


def test_canaries_stand_between_the_rows_and_nothing_tells_them_apart(tmp_path: Path) -> None:
    said = (ContextTurn(role="user", text="before"),)
    cases = [JudgeRequest(c.question, c.answer, c.response, context=said) for c in CASES[:200]]
    asked: list[tuple[GenerationRequest, SamplingConfig]] = []

    class Seen(ScriptedGeneration):
        def generate(self, requests: Any, sampling: Any) -> Any:
            asked.extend((request, sampling) for request in requests)
            return super().generate(requests, sampling)

    model = Seen(lambda request, seed: reply_to(request.question, careful))
    with CallCache(tmp_path) as cache:
        calls = ProvisionalCalls(cache)
        judge = judge_over(config(), model, calls, calls)
        judge.begin(cases)
        asked.clear()
        judge.verdicts_beside(cases, len(cases), settles=True)
        assert num_stored(cache) == len(cases)
    assert len(asked) == len(cases) + num_canaries(config())
    assert len({(request.sample_id, request.seeds, request.images, sampling) for request, sampling in asked}) == 1
    questions = {(c.question, c.answer) for c in cases}
    prompts = [request.question for request, _ in asked]
    assert all("<user_turn>\nbefore\n</user_turn>" in prompt for prompt in prompts)
    shown = [read_prompt(prompt) for prompt in prompts]
    assert {(case.question, case.answer) for case in shown} <= questions
    rows, is_row = CASES[: len(cases)], []
    for case in shown:  # rows come in their order, and a canary may be the same as one of them
        is_row.append(case in rows[:1])
        rows = rows[is_row[-1] :]
    assert not rows
    first, last = is_row.index(False), len(is_row) - 1 - is_row[::-1].index(False)
    assert len(cases) - 2 * 74 < first and last == len(is_row) - 1
    assert max(len(run) for run in "".join("." if row else "c" for row in is_row).split(".")) < 30


def test_canaries_are_drawn_from_rows_and_their_verdicts_are_beyond_doubt() -> None:
    rows = [
        JudgeRequest("How much?", "12 cm", "It is 12 cm."),
        JudgeRequest("Which?\nA. a cat\nB. a dog", "B", "I don't know."),
        JudgeRequest("Is it open?", "yes", "no"),
        JudgeRequest("Who?", "", "no ground truth"),
    ]
    drawn = DrawnCanaries(random.Random(1))
    drawn.learn(rows)
    canaries = drawn.draw(100, 20)
    assert sum(canary.is_right for canary in canaries) == 20 and len({c.request for c in canaries}) == 120
    known = {canary.request for canary in CANARIES}
    own = [canary for canary in canaries if canary.request not in known]
    assert len(own) > 60
    for canary in own:
        case = canary.request
        assert judge_answer(case.answer, case.response, question=case.question).correct is canary.is_right
    assert {canary.request.question for canary in own} == {row.question for row in rows[:3]}
    assert "It is 12 cm." in {canary.request.response for canary in own if not canary.is_right}
    assert len(DrawnCanaries(random.Random(1)).draw(400, 100)) == 500  # known ones, again where they are too few


def simulated_check(number: int, wrong: float, right: float, silent: float, dice: random.Random) -> bool:
    """Whether a check of a judge with these rates fails."""
    check = Check(config(), number)
    while any(wanted := check.num_wanted):
        said = []
        for is_right, num, rate in ((False, wanted[0], wrong), (True, wanted[1], right)):
            for _ in range(num):
                correct = None if dice.random() < silent else is_right != (dice.random() < rate)
                said.append((Canary("any", CASES[0], is_right), Verdict(correct, None, "")))
        check.add(said)
    return check.failure() is not None


def test_an_honest_judge_at_half_of_all_limits_passes_whole_runs() -> None:
    """Runs of ten checks: 1 % of 100 would be 1; 5 are 4 standard deviations more."""
    dice = random.Random(0)
    limits = config()
    half = (limits.max_false_positives / 2, limits.max_false_negatives / 2, limits.max_no_verdicts / 2)
    failed = sum(any(simulated_check(n, *half, dice) for n in range(1, 11)) for _ in range(100))
    assert failed <= 5 and FALSE_ALARM == 0.01


@pytest.mark.parametrize("number", [1, 50])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_judge_at_twice_a_limit_fails_the_first_check_that_it_meets(number: int, which: int) -> None:
    """Of 300 checks, 1 % would be 3; 9 are 3.5 standard deviations more."""
    dice, limits = random.Random(which), config()
    rates = [0.0, 0.0, 0.0]
    rates[which] = 2 * (limits.max_false_positives, limits.max_false_negatives, limits.max_no_verdicts)[which]
    assert sum(not simulated_check(number, *rates, dice) for _ in range(300)) <= 9 and MISSED == 0.01


def test_metrics_are_of_the_newest_check(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, honest)
        assert metrics_of(watched.judge) == {}
        watched.ask(CASES[:10])
        metrics = metrics_of(watched.judge)
        watched.judge.settle()
        assert metrics_of(watched.judge) == metrics
    assert metrics["canary/num"] == num_canaries(config()) == 74
    assert (metrics["canary/false_positive_rate"], metrics["canary/false_negative_rate"]) == (0.0, 0.0)
    assert 0.0 < metrics["canary/false_positive_high"] < 0.07 and metrics["canary/num_no_verdict"] == 0


def test_planned_canaries() -> None:
    assert planned_canaries(0, 1, config()) == 0
    assert planned_canaries(4500, 3, config()) == 6 * 74  # at the start, each 2,000, and before each commit


def test_limits_of_one_let_any_judge_pass(tmp_path: Path) -> None:
    limits = {"max_false_positives": 1.0, "max_false_negatives": 1.0, "max_no_verdicts": 1.0}
    with CallCache(tmp_path) as cache:
        watched = Watched(cache, lambda number, case: len(case.response) % 2 == 0, **limits)
        assert watched.ask(CASES[:10]) == [len(case.response) % 2 == 0 for case in CASES[:10]]
        with pytest.raises(RilctlError, match="no verdict on any (?:wrong|right) canary"):
            Watched(cache, lambda number, case: None, **limits).ask(CASES[10:20])


def test_a_canary_that_the_engine_refuses_is_one_without_a_verdict(tmp_path: Path) -> None:
    def decide(number: int, case: JudgeRequest) -> bool | None:
        if case.response in ("", ":"):
            raise RowError("reply-no-content", "nothing to judge")
        return careful(case)

    with CallCache(tmp_path) as cache:
        watched = Watched(cache, decide)
        assert watched.ask(CASES[:10]) == [n % 2 == 0 for n in range(10)]
