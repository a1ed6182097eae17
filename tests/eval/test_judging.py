"""Judges that fail, stay silent or babble: no wrong verdict, and every question accounted for."""

from pathlib import Path

import pytest

from rilctl.engines.evaluation.base import BenchmarkResult
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest
from rilctl.errors import RowError
from rilctl.testing.scripted import ScriptedGeneration

from .judge_server import judge_reply
from .test_known_scores import BENCHMARKS, GIBBERISH, NUM_QUESTIONS, Mirror


def evaluate(mirror: Mirror, name: str, judge: GenerationEngine | None, which: int = 0) -> BenchmarkResult:
    evaluation = LmmsEvaluation(None, data_dir=mirror[0], judge=judge)
    generation = ScriptedGeneration(lambda request, seed: mirror[1][request.sample_id][which])
    return evaluation.evaluate(BENCHMARKS[name], generation, limit=None, seed=0)


@pytest.mark.parametrize(("name", "num_judged"), [("MM-Vet", 4), ("MM-Vet-v2", 3), ("MathVista", 6), ("MMBench", 1)])
def test_a_failing_judge_leaves_questions_without_a_score(mirror: Mirror, name: str, num_judged: int) -> None:
    def fails(request: GenerationRequest, seed: int) -> str:
        raise RowError("endpoint-error", "out of order")

    for judge, reason in ((ScriptedGeneration(fails), "endpoint-error"), (None, "judge-missing")):
        result = evaluate(mirror, name, judge)
        assert {row.reason for row in result.rejected} == {reason}
        assert len(result.records) == NUM_QUESTIONS[name] - num_judged
        assert all(record.score == 1.0 for record in result.records)
        assert result.score == (1.0 if result.records else None)


@pytest.mark.parametrize("name", ["MM-Vet", "MM-Vet-v2"])
def test_a_reply_without_a_score_is_asked_for_again_and_then_no_verdict(mirror: Mirror, name: str) -> None:
    judge = ScriptedGeneration(lambda request, seed: "It is hard to say.")
    result = evaluate(mirror, name, judge)
    assert (result.score, result.records) == (None, ())
    assert {row.reason for row in result.rejected} == {"judge-unreadable"}
    assert len(judge.asked) == 4 * NUM_QUESTIONS[name]  # at four temperatures


def test_a_judge_is_asked_each_question_once_and_many_at_a_time(mirror: Mirror) -> None:
    turns: list[int] = []

    class Judge(ScriptedGeneration):
        def generate(self, requests, sampling):  # type: ignore[no-untyped-def]
            turns.append(len(requests))
            return super().generate(requests, sampling)

    result = evaluate(mirror, "MM-Vet", Judge(lambda request, seed: judge_reply(request.question)))
    assert (result.score, turns) == (1.0, [4])


def test_what_ends_a_run_is_not_swallowed_by_a_task(mirror: Mirror) -> None:
    class Judge(ScriptedGeneration):
        def generate(self, requests, sampling):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(mirror, "MM-Vet", Judge({}))


def test_an_answer_that_nobody_can_match_is_guessed_as_lmms_eval_does(mirror: Mirror, tmp_path: Path) -> None:
    evaluation = LmmsEvaluation(
        None, data_dir=mirror[0], judge=ScriptedGeneration(lambda request, seed: judge_reply(request.question))
    )
    generation = ScriptedGeneration(lambda request, seed: GIBBERISH)
    result = evaluation.evaluate(BENCHMARKS["MMBench-CN"], generation, limit=None, seed=0)
    assert all(record.guessed for record in result.records)
    assert result.rejected == ()
    assert list(Path().glob("submissions")) == []
