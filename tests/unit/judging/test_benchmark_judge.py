"""A benchmark's judge under watch, without the library whose benchmarks these are: a task is what makes prompts."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rilctl.artifacts.calls import CallCache
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.evaluation.lmms.statements import MAKERS, Question, extracted, graded, matched
from rilctl.engines.evaluation.lmms.watched import Call, TaskCanaries, TaskCanary, TaskHearing
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.judging.benchmarks import BenchmarkJudge
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.judging.watching import Watch
from rilctl.errors import RilctlError, RowError
from rilctl.stages.shared.cached_calls import CachedGeneration
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.testing.scripted import ScriptedGeneration

CONFIG = LlmJudgeConfig(type="llm", model="judge")
GREEDY = SamplingConfig(max_new_tokens=8, temperature=0.0)
QUESTIONS = {
    0: Question("What is x?", "-1<AND>-5", {}),
    1: Question("Which city?", "Rome<OR>Roma", {}),
    2: Question("What does the sign say?", "stop", {}),
    3: Question("How many discs?", "9", {}),
    4: Question("Which metal?", "nickel", {}),
}
OPTIONS = {"A": "a red cube", "B": "a blue ball", "C": "a green cone", "D": "nan", "E": None}


def prompt(number: int, text: str) -> str:
    return f"{number} | {QUESTIONS[number].truth} | {text} |"


def score(number: int, text: str, replies: Mapping[Call, str | RowError]) -> float | Call | RowError:
    """A task whose judge gives a number."""
    call = Call(prompt(number, text), 0.0, 8)
    reply = replies.get(call)
    if isinstance(reply, str):
        try:
            return float(reply)
        except ValueError:
            return RowError("judge-unreadable", reply)
    return reply or call


def reads(asked: str) -> str:
    """A careful judge."""
    number, _, text, _ = asked.split(" |")
    return "1.0" if _holds(QUESTIONS[int(number)].truth, text) else "0.0"


def _holds(truth: str, text: str) -> bool:
    return any(all(part in text for part in whole.split("<AND>")) for whole in truth.split("<OR>"))


def watched(cache: CallCache, reply: Callable[[int, str], str]) -> tuple[Watch[TaskCanary], BenchmarkJudge, list[str]]:
    """Over a model that says something to the prompt of a number."""
    asked: list[str] = []

    def script(request: GenerationRequest, seed: int) -> str:
        asked.append(request.question)
        return reply(len(asked) - 1, request.question)

    calls = ProvisionalCalls(cache)

    def through(engine: GenerationEngine) -> GenerationEngine:
        return CachedGeneration(engine, calls, chunk=64, on_begin=lambda num: None, on_chunk=lambda num: None)

    judge = BenchmarkJudge.over(ScriptedGeneration(script), CONFIG, through=through, provisional=calls)
    canaries = TaskCanaries("discs", QUESTIONS, MAKERS["always"], score)
    watch = Watch(TaskHearing(judge, score), canaries, CONFIG, calls, numbers=judge.numbers)
    return watch, judge, asked


ROWS = [prompt(number % 5, f"row {number} says nickel") for number in range(100)]


def ask(watch: Watch[TaskCanary], judge: BenchmarkJudge) -> list[str]:
    answers = watch.beside(ROWS, lambda some: judge.ask(some, GREEDY), num_of_all=len(ROWS), at_once=64, settles=True)
    return [answer.reason if isinstance(answer, RowError) else answer[0].text for answer in answers]


def test_an_honest_judge_counts_and_its_canaries_stand_between_the_rows(tmp_path: Path) -> None:
    with CallCache(tmp_path) as cache:
        watch, judge, asked = watched(cache, lambda number, text: reads(text))
        assert ask(watch, judge) == [reads(row) for row in ROWS] and not watch.num_provisional
        is_row = [text in ROWS for text in asked]
        assert asked.count(ROWS[0]) == 1 and len(asked) == len(ROWS) + num_canaries(CONFIG)
        assert is_row.index(False) < len(ROWS) - 1 and not is_row[-1]
        assert watch.trust()["canary/num"] == num_canaries(CONFIG)
        again, other, more = watched(cache, lambda number, text: "not asked")
        assert ask(again, other) == [reads(row) for row in ROWS] and not more
        with pytest.raises(RilctlError, match="no verdict"):
            again.begin()


@pytest.mark.parametrize(
    "reply",
    [
        lambda number, text: "1.0",
        lambda number, text: "0.0",
        lambda number, text: str(1 - float(reads(text))),
        lambda number, text: "I'd rather not.",
        lambda number, text: reads(text) if number < 60 else str(1 - float(reads(text))),
        lambda number, text: "0.5",
    ],
    ids=["right", "wrong", "flips", "refuses", "flips in the middle", "undecided"],
)
def test_of_a_bad_judge_nothing_stays(tmp_path: Path, reply: Callable[[int, str], str]) -> None:
    with CallCache(tmp_path) as cache:
        watch, judge, _ = watched(cache, reply)
        with pytest.raises(RilctlError, match="the judge (calls|gave no verdict)"):
            ask(watch, judge)
        assert not watch.num_provisional
        honest, other, asked = watched(cache, lambda number, text: reads(text))
        assert ask(honest, other) == [reads(row) for row in ROWS]
        assert len(asked) == len(ROWS) + num_canaries(CONFIG)


def test_what_nothing_asks_a_judge_about_can_not_be_checked(tmp_path: Path) -> None:
    canaries = TaskCanaries("rules", QUESTIONS, MAKERS["always"], lambda number, text, replies: 1.0)
    with pytest.raises(RilctlError, match="the judge of task `rules` can't be checked: no wrong answer"):
        canaries.draw(3, 3)


def test_statements_mean_what_their_replies_say() -> None:
    dice, others = random.Random(0), [*QUESTIONS.values()]
    for number, question in QUESTIONS.items():
        rest = [other for at, other in QUESTIONS.items() if at != number]
        for is_right in (True, False):
            for _ in range(50):
                said = graded(question, rest, is_right, dice)
                assert said is not None and said.reply == ("1.0" if is_right else "0.0")
                assert _holds(question.truth, said.text) is is_right, said
    choices = Question("Which?", "left", {"choices": ["left", "right"]})
    assert {extracted(choices, others, False, dice).reply for _ in range(50)} == {"left", "right"}  # type: ignore[union-attr]
    options = Question("Which?", "B", OPTIONS)
    for is_right in (True, False):
        for _ in range(50):
            said = matched(options, others, is_right, dice)
            assert said is not None and (said.reply == "B") is is_right
            assert sum(str(option) in said.text for option in OPTIONS.values()) == 2
            assert said.text.rstrip(".").endswith(f"it is {OPTIONS[said.reply]}".removeprefix("it "))
    alone = matched(Question("Which?", "left", {}), others, True, dice)
    assert alone is not None and alone.reply == "left"
