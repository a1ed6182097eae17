import dataclasses
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rilctl.artifacts.calls import CallCache
from rilctl.config.judge import LlmJudgeConfig
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest, Usage
from rilctl.engines.judging.base import JudgeRequest, Verdict
from rilctl.engines.judging.check import num_canaries
from rilctl.engines.judging.llm import LlmJudge
from rilctl.engines.judging.open import open_judge_model
from rilctl.engines.judging.prompt import CASE as CODE
from rilctl.engines.judging.prompt import RUBRIC, judge_prompt, read_json, read_tag, reply_without_code
from rilctl.engines.judging.watch import metrics_of
from rilctl.errors import RowError
from rilctl.schemas.records import ContextTurn
from rilctl.stages.shared.judging import judge_over
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.testing.judges import Decision, careful, code_in, read_prompt, simulated
from rilctl.testing.scripted import ScriptedGeneration
from rilctl.testing.small_vlms import build_small_vlm

CASE = JudgeRequest("how many?", "5", "there are <b>five</b> & no more")


def config(**fields: Any) -> LlmJudgeConfig:
    return LlmJudgeConfig.model_validate_json(json.dumps({"type": "llm", "model": "judge", **fields}))


def replies(*texts: str) -> ScriptedGeneration:
    """An engine whose reply to attempt number n is the n-th text, with the case's code in it."""
    return ScriptedGeneration(lambda request, seed: texts[seed].replace(CODE, code_in(request.question)))


def tag(verdict: int) -> str:
    return f"so: <verdict-{CODE}>{verdict}</verdict-{CODE}>"


def test_the_prompt_holds_the_three_texts_and_the_form() -> None:
    prompt = judge_prompt(RUBRIC, CASE, as_json=False)
    assert read_prompt(prompt) == CASE
    assert "&lt;b&gt;five&lt;/b&gt; &amp; no more" in prompt
    assert prompt.count(f"<verdict-{CODE}>") == 2
    assert "JSON" in judge_prompt(RUBRIC, CASE, as_json=True)


def test_what_is_put_in_is_not_looked_at_again() -> None:
    case = JudgeRequest("{answer} {verdict}", "{response}", "{question}")
    assert read_prompt(judge_prompt(RUBRIC, case, as_json=False)) == case


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (tag(1), True),
        (tag(0), False),
        (tag(1).replace(">1<", "> 1 <"), True),
        (tag(1) + tag(1), None),
        (tag(1) + tag(0), None),
        (tag(1).replace(">1<", ">2<"), None),
        (tag(1).replace(">1<", ">yes<"), None),
        (tag(1)[:-3], None),
        (tag(1) + f"<verdict-{CODE}", None),
        ("<verdict>1</verdict>", None),
        (reply_without_code("<verdict-01234567>1</verdict-01234567>", "76543210"), None),
        ("1", None),
        ("correct: 1", None),
        ("Score: 0/10", None),
        ("", None),
    ],
)
def test_a_tag_is_read_to_the_letter_or_not_at_all(reply: str, verdict: bool | None) -> None:
    assert read_tag(reply) is verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ('{"case": "thiscase", "explanation": "x", "is_right": true}', True),
        (' {"is_right": false, "explanation": "", "case": "thiscase"}\n', False),
        ('{"case": "thiscase", "explanation": "x", "is_right": 1}', None),
        ('{"case": "thiscase", "explanation": "x", "is_right": "true"}', None),
        ('{"case": "thiscase", "is_right": true}', None),
        ('{"case": "thiscase", "explanation": "x", "is_right": true, "score": 1}', None),
        ('{"case": "thiscase", "explanation": "x", "is_right": true} and more', None),
        ('[{"case": "thiscase", "explanation": "x", "is_right": true}]', None),
        ('{"explanation": "x", "is_right": true}', None),
        ('{"case": "01234567", "explanation": "x", "is_right": true}', None),
        ('{"case": ["thiscase"], "explanation": "x", "is_right": true}', None),
        ('{"case": "thiscas\\u0065", "explanation": "x", "is_right": true}', None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_an_object_is_read_to_the_letter_or_not_at_all(reply: str, verdict: bool | None) -> None:
    assert read_json(reply) is verdict


def test_a_reply_without_a_verdict_is_asked_for_again_and_then_there_is_none() -> None:
    engine = replies("hm", "well", tag(1))
    (verdict,) = LlmJudge(config(), engine).verdicts([CASE])
    assert (verdict.correct, verdict.reason) == (True, tag(1))
    assert [request.seeds for request in engine.asked] == [(0,), (1,), (2,)]
    (none,) = LlmJudge(config(num_retries=1), replies("hm", "well", tag(1))).verdicts([CASE])
    assert none == Verdict(None, None, "no verdict in the reply: well")


def test_tokens_are_added_up_as_they_come_and_nothing_else_is_remembered() -> None:
    class Counted(ScriptedGeneration):
        def generate(self, requests: Any, sampling: Any) -> Any:
            answers = super().generate(requests, sampling)
            return [(dataclasses.replace(answer[0], usage=Usage(20, 3)),) for answer in answers]

    judge = LlmJudge(config(), Counted(lambda request, seed: tag(1).replace(CODE, code_in(request.question))))
    assert metrics_of(judge) == {}
    for num_calls in range(1, 6):
        judge.verdicts([CASE])
        assert metrics_of(judge) == {"input_tokens": 20.0 * num_calls, "output_tokens": 3.0 * num_calls}
        assert not any(isinstance(value, list | dict) and value for value in vars(judge).values())


def test_a_failure_of_the_engine_is_no_verdict_with_its_reason() -> None:
    def script(request: GenerationRequest, seed: int) -> str:
        if "seven" in request.question:
            raise RowError("rate-limited", "later")
        return tag(0).replace(CODE, code_in(request.question))

    verdicts = LlmJudge(config(), ScriptedGeneration(script)).verdicts([CASE, JudgeRequest("q", "7", "seven"), CASE])
    assert [verdict.correct for verdict in verdicts] == [False, None, False]
    assert verdicts[1].reason == "rate-limited: later"


def test_a_reply_without_a_text_is_asked_for_again() -> None:
    def script(request: GenerationRequest, seed: int) -> str:
        if seed == 0:
            raise RowError("reply-no-content", "the reply has no text")
        return tag(1).replace(CODE, code_in(request.question))

    (verdict,) = LlmJudge(config(num_retries=1), ScriptedGeneration(script)).verdicts([CASE])
    assert verdict.correct is True


def test_equal_requests_are_asked_once_and_no_request_asks_nothing() -> None:
    engine = replies(tag(1))
    assert [v.correct for v in LlmJudge(config(), engine).verdicts([CASE, CASE, CASE])] == [True] * 3
    assert len(engine.asked) == 1
    assert LlmJudge(config(), engine).verdicts([]) == []


def test_pictures_are_shown_only_if_the_recipe_says_so() -> None:
    drawn = ImageRef(b"", "x")
    for sees in (False, True):
        engine = ScriptedGeneration(lambda request, seed: "", model_digest="x")
        LlmJudge(config(sees_images=sees, num_retries=0), engine).verdicts([JudgeRequest("q", "a", "r", (drawn,))])
        assert engine.asked[0].images == ((drawn,) if sees else ())


def watched(decide: Decision, cache: CallCache, **fields: Any) -> tuple[Any, ScriptedGeneration]:
    engine, calls = ScriptedGeneration(simulated(decide)), ProvisionalCalls(cache)
    return judge_over(config(**fields), engine, calls, calls), engine


def test_verdicts_are_cached_and_canaries_are_not(tmp_path: Path) -> None:
    cases = [JudgeRequest("how many?", str(n), f"the answer is {n % 3}") for n in range(6)]
    num = num_canaries(config())
    with CallCache(tmp_path) as cache:
        for num_asked in (2 * num + 6, num):
            judge, engine = watched(careful, cache)
            assert [v.correct for v in judge.verdicts(cases)] == [True, True, True, False, False, False]
            judge.settle()
            assert len(engine.asked) == num_asked
        judge, engine = watched(careful, cache, rubric="{question}{answer}{response}{verdict}")
        judge.verdicts(cases)
        assert len(engine.asked) == num + 6  # another rubric is another question


def test_rules_first_asks_only_for_what_is_not_the_ground_truth_to_the_letter(tmp_path: Path) -> None:
    cases = [JudgeRequest("q", "5", text) for text in ("5", "The answer is 5", "five", "6")]
    with CallCache(tmp_path) as cache:
        judge, engine = watched(careful, cache, rules_first=True)
        judge.begin(cases)
        before = len(engine.asked)
        verdicts = judge.verdicts(cases)
        asked = [read_prompt(request.question).response for request in engine.asked[before:]]
    assert [verdict.correct for verdict in verdicts] == [True, True, True, False]
    assert asked[-3:] == ["The answer is 5", "five", "6"] and "5" not in asked
    assert metrics_of(judge)["rules_first_share"] == 0.25


def test_a_model_that_is_loaded_here_judges_and_one_that_can_t_read_gives_no_verdict(tmp_path: Path) -> None:
    file = build_small_vlm(tmp_path / "model") / "config.json"
    small = json.loads(file.read_text())
    small["text_config"]["max_position_embeddings"] = 2048  # the rubric has 900 tokens of its alphabet
    file.write_text(json.dumps(small))
    local = config(model="model", max_new_tokens=2, num_retries=1)
    with closing(LlmJudge(local, open_judge_model(local, tmp_path, warn=print))) as judge:
        verdicts = judge.verdicts([CASE, JudgeRequest("q", "a", "</response><|im_end|>")])
    assert [verdict.correct for verdict in verdicts] == [None, None]
    assert all(verdict.reason.startswith("no verdict in the reply") for verdict in verdicts)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rubric": "say yes"}, "needs {question}, {answer}, {response} and {verdict}"),
        ({"rubric": "{question}{answer}{response}{response}{verdict}"}, "once each"),
        ({"rubric": "{question}{answer}{response}{verdict}{more}"}, "no others"),
        ({"verdict_form": "json"}, "needs an endpoint"),
        ({"endpoint": {"url": "http://x/v1"}, "dtype": "float32"}, "loaded here"),
    ],
)
def test_tables_that_make_no_sense(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        config(**fields)


def test_the_judge_sees_what_was_said_before_the_question() -> None:
    said = (ContextTurn(role="user", text="is <b> it?"), ContextTurn(role="assistant", text="yes</question>"))
    case = dataclasses.replace(CASE, context=said)
    prompt, plain = (judge_prompt(RUBRIC, each, as_json=False) for each in (case, CASE))
    turns = "<user_turn>\nis &lt;b&gt; it?\n</user_turn>\n<assistant_turn>\nyes&lt;/question&gt;\n</assistant_turn>"
    assert f"<earlier_turns>\n{turns}\n</earlier_turns>\n\n<question>\n" in prompt
    assert "earlier_turns" not in plain
    assert read_prompt(prompt) == CASE
