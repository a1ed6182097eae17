"""Simulated judges behind a generation engine: they read the rubric's fields, so that no model is needed.

What they show is the machinery around a judge: fields, forms, parsing, canaries, retries. How a real model judges, only
that model can show (`benchmarks/judge_prompts.py --endpoint URL --model NAME`).
"""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.canaries import CANARIES, Canary
from rilctl.engines.judging.rule import judge_answer

Decision = Callable[[JudgeRequest], bool | None]
"""What a simulated judge thinks of a case; None: it says nothing that is a verdict."""

_FIELDS = re.compile(
    r"<question>\n(?P<question>.*?)\n</question>.*?<ground_truth>\n(?P<answer>.*?)\n</ground_truth>.*?"
    r"<response>\n(?P<response>.*?)\n</response>",
    re.DOTALL,
)
_CODE = re.compile(r'<verdict-([0-9a-f]{8})>|"case": "([0-9a-f]{8})"')
_KNOWN = {canary.request: canary.is_right for canary in CANARIES}


def read_prompt(prompt: str) -> JudgeRequest:
    """The case that a prompt made by `judge_prompt` holds."""
    match = _FIELDS.search(prompt)
    assert match, f"no case in {prompt!r}"
    question, answer, response = (html.unescape(match[name]) for name in ("question", "answer", "response"))
    return JudgeRequest(question, answer, response)


def read_cases(path: Path) -> tuple[Canary, ...]:
    """Cases from JSON Lines that `rilctl judge -` reads as well, with their `kind` and whether they are `correct`."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(
        Canary(row["kind"], JudgeRequest(row["question"], row["answer"], row["text"]), row["correct"]) for row in rows
    )


def careful(case: JudgeRequest) -> bool | None:
    """Knows the canaries, and follows the rules elsewhere."""
    return _KNOWN[case] if case in _KNOWN else judge_answer(case.answer, case.response, question=case.question).correct


def code_in(prompt: str) -> str:
    """The code by which a prompt wants its verdict to name the case."""
    of_tag, of_object = _CODE.findall(prompt)[-1]
    return str(of_tag or of_object)


def reply_to(prompt: str, decide: Decision) -> str:
    """A judge's reply in the form that the prompt asks for."""
    verdict = decide(read_prompt(prompt))
    if verdict is None:
        return "I can't decide."
    code = code_in(prompt)
    if f"<verdict-{code}>" in prompt:
        return f"I have compared them. <verdict-{code}>{int(verdict)}</verdict-{code}>"
    return json.dumps({"case": code, "explanation": "I have compared them.", "is_right": verdict})


def simulated(decide: Decision) -> Callable[[GenerationRequest, int], str]:
    """A script for `ScriptedGeneration`."""
    return lambda request, seed: reply_to(request.question, decide)
