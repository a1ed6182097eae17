"""Judges that fail, stay silent or babble: no wrong verdict, and every question accounted for."""

from pathlib import Path

import pytest

from rilctl.config.judge import LlmJudgeConfig
from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.engines.judging.check import num_canaries
from rilctl.errors import RilctlError, RowError
from rilctl.testing.scripted import ScriptedGeneration

from .judge_server import judge_reply, watched
from .test_known_scores import BENCHMARKS, GIBBERISH, NUM_QUESTIONS, Mirror


def evaluate(
    mirror: Mirror, name: str, judge: GenerationEngine | None, answer: str | None = None, **limits: float
) -> BenchmarkResult:
    evaluation = LmmsEvaluation(None, data_dir=mirror[0], judge=judge and watched(judge, **limits))
    generation = ScriptedGeneration(lambda request, seed: answer or mirror[1][request.sample_id][0])
    return evaluation.evaluate(BENCHMARKS[name], generation, limit=None, seed=0)


JUDGED = [("MM-Vet", 4), ("MM-Vet-v2", 3), ("MathVista", 6), ("MMBench", 1)]


@pytest.mark.parametrize(("name", "num_judged"), JUDGED)
def test_without_a_judge_questions_have_no_score(mirror: Mirror, name: str, num_judged: int) -> None:
    result = evaluate(mirror, name, None)
    assert {row.reason for row in result.rejected} == {"judge-missing"} and not result.canaries
    assert len(result.records) == NUM_QUESTIONS[name] - num_judged
    assert all(record.score == 1.0 for record in result.records)
    assert result.score == (1.0 if result.records else None)


def always(reply: str) -> GenerationEngine:
    return ScriptedGeneration(lambda request, seed: reply)


def flips(request: GenerationRequest, seed: int) -> str:
    """It reads well, and says another score, option or answer."""
    reply = judge_reply(request.question)
    return {"1.0": "0.0", "0.0": "1.0", "A": "B"}.get(reply, "A" if reply in "BCD" else "nothing of that")


def fails(request: GenerationRequest, seed: int) -> str:
    raise RowError("endpoint-error", "out of order")


@pytest.mark.parametrize("name", [name for name, _ in JUDGED])
@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (ScriptedGeneration(fails), "no verdict on any (wrong|right) canary: endpoint-error: out of order"),
        (ScriptedGeneration(flips), "the judge calls .* of the (wrong|right) canaries (right|wrong)"),
        (always("A"), "the judge (calls|gave no verdict)"),
        (always("1.0"), "the judge (calls|gave no verdict)"),
        (always("I'd rather not say."), "the judge (calls|gave no verdict)"),
    ],
    ids=["fails", "flips", "A", "1.0", "refuses"],
)
def test_a_judge_that_can_t_be_trusted_ends_it(
    mirror: Mirror, name: str, judge: GenerationEngine, message: str
) -> None:
    with pytest.raises(RilctlError, match=message):
        evaluate(mirror, name, judge)


@pytest.mark.parametrize("name", [name for name, _ in JUDGED])
def test_what_an_honest_judge_made_of_canaries_stands_beside_the_score(mirror: Mirror, name: str) -> None:
    judge = ScriptedGeneration(lambda request, seed: judge_reply(request.question))
    result = evaluate(mirror, name, judge)
    of_a_check = num_canaries(LlmJudgeConfig(type="llm", model="judge"))
    assert result.score == 1.0 and result.canaries["num"] == of_a_check  # MathVista asks the same of all its tasks
    assert result.canaries["false_positive_rate"] == result.canaries["false_negative_rate"] == 0.0
    assert 0 < result.canaries["false_positive_high"] < 0.07 and result.canaries["num_no_verdict"] == 0


@pytest.mark.parametrize("name", ["MM-Vet", "MM-Vet-v2"])
def test_a_reply_without_a_score_is_asked_for_again_and_then_no_verdict(mirror: Mirror, name: str) -> None:
    def unsure(request: GenerationRequest, seed: int) -> str:
        return "It is hard to say." if GIBBERISH in request.question else judge_reply(request.question)

    judge = ScriptedGeneration(unsure)
    result = evaluate(mirror, name, judge, GIBBERISH)
    assert (result.score, result.records) == (None, ())
    assert {row.reason for row in result.rejected} == {"judge-unreadable"}
    asked = [request for request in judge.asked if GIBBERISH in request.question]
    assert len(asked) == 4 * NUM_QUESTIONS[name]  # at four temperatures


def test_a_judge_is_asked_each_question_once_and_canaries_between_them(mirror: Mirror) -> None:
    turns: list[list[str]] = []

    class Judge(ScriptedGeneration):
        def generate(self, requests, sampling):  # type: ignore[no-untyped-def]
            turns.append([request.question for request in requests])
            return super().generate(requests, sampling)

    result = evaluate(mirror, "MM-Vet", Judge(lambda request, seed: judge_reply(request.question)))
    assert result.score == 1.0 and len(turns[0]) == 8  # four questions, and no more canaries between them
    texts = [f"| {mirror[1][record.sample_id][0]} |" for record in result.records]
    for text in texts:
        assert sum(text in prompt for prompt in turns[0]) >= 1
    assert all(prompt.startswith("Compare the ground truth") for turn in turns for prompt in turn)


def test_what_ends_a_run_is_not_swallowed_by_a_task(mirror: Mirror) -> None:
    class Judge(ScriptedGeneration):
        def generate(self, requests, sampling):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(mirror, "MM-Vet", Judge({}))


def test_an_answer_that_nobody_can_match_is_guessed_as_lmms_eval_does(mirror: Mirror, tmp_path: Path) -> None:
    evaluation = LmmsEvaluation(
        None, data_dir=mirror[0], judge=watched(ScriptedGeneration(lambda request, seed: judge_reply(request.question)))
    )
    generation = ScriptedGeneration(lambda request, seed: GIBBERISH)
    result = evaluation.evaluate(BENCHMARKS["MMBench-CN"], generation, limit=None, seed=0)
    assert all(record.guessed for record in result.records)
    assert result.rejected == ()
    assert list(Path().glob("submissions")) == []
