"""How busy the places of a teacher and of a judge are: `teacher_busy_share` and `judge_busy_share` of `startup.py`.

A server on this machine answers as a teacher would that decodes 64 responses at once: a response takes the time of its
tokens, exponential lengths of 250 in the mean, cut at 1,024. 160 questions get 16 responses each, from the look at the
call cache to the commit, over HTTP. The share is the seconds of all answers over those of all places, from the first
look to the last commit.

A judge with 128 places has the same lengths, four times as slow, and 4,000 responses with a check after each 2,000: its
share is that of all answers, canaries among them, from the end of the first check to that of the last.
"""

import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rilctl.artifacts.calls import CallCache
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.config.judge import LlmJudgeConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest, questions_at_once
from rilctl.engines.generation.openai import open_endpoint
from rilctl.engines.judging.base import JudgeRequest
from rilctl.errors import RowError
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.stages.shared.judging import judge_over
from rilctl.stages.shared.provisional import ProvisionalCalls
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion
from rilctl.testing.judges import careful, reply_to

NUM_QUESTIONS, NUM_RESPONSES, NUM_PLACES = 160, 16, 64
MEAN_TOKENS, MAX_TOKENS, TOKEN_S = 250, 1024, 2e-3
JUDGE_PLACES, CHECKED_EVERY, JUDGE_TOKEN_S = 128, 2000, 8e-3


def teacher_busy_share() -> float:
    """See the module."""
    requests = [
        GenerationRequest(f"q{number}", Conversation.of(f"What is {number}?"), tuple(range(NUM_RESPONSES)))
        for number in range(NUM_QUESTIONS)
    ]
    with tempfile.TemporaryDirectory() as name, CallCache(Path(name)) as cache, ScriptedEndpoint(_answer) as server:
        endpoint = EndpointConfig(url=server.url, max_concurrency=NUM_PLACES)
        engine = open_endpoint("teacher", endpoint, Path(name))
        chunk = questions_at_once(engine.rows_at_once, NUM_RESPONSES)
        started = time.perf_counter()
        answers = list(
            cached_responses(engine, cache, requests, SamplingConfig(), chunk=chunk, on_chunk=lambda num: None)
        )
        passed_s = time.perf_counter() - started
        engine.close()
    if any(isinstance(answer, RowError) for answer in answers) or len(server.calls) != len(requests) * NUM_RESPONSES:
        raise SystemExit(f"{len(server.calls)} calls for {len(requests) * NUM_RESPONSES} responses")
    return sum(map(_answer_s, server.calls)) / (NUM_PLACES * passed_s)


def judge_busy_share() -> float:
    """See the module."""
    requests = [JudgeRequest(f"What is {at}?", str(at), f"The answer is {at}.") for at in range(2 * CHECKED_EVERY)]
    spent_s = list[float]()
    lengths = random.Random(0)

    def answer(call: Call) -> Wire:
        spent_s.append(JUDGE_TOKEN_S * min(MAX_TOKENS, lengths.expovariate(1 / MEAN_TOKENS)))
        return replace(completion(reply_to(call.text, careful)), delay_s=spent_s[-1])

    with tempfile.TemporaryDirectory() as name, CallCache(Path(name)) as cache, ScriptedEndpoint(answer) as server:
        endpoint = EndpointConfig(url=server.url, max_concurrency=JUDGE_PLACES)
        config = LlmJudgeConfig(type="llm", model="judge", endpoint=endpoint, canaries_every=CHECKED_EVERY)
        calls = ProvisionalCalls(cache)
        model = open_endpoint("judge", endpoint, Path(name))
        judge = judge_over(config, model, calls, calls)
        judge.begin(requests)
        started, num_before = time.perf_counter(), len(spent_s)
        for start in range(0, len(requests), judge.rows_at_once):
            some = requests[start : start + judge.rows_at_once]
            if not all(verdict.correct for verdict in judge.verdicts_beside(some, len(some))):
                raise SystemExit("a right response was called wrong")
        judge.settle()
        passed_s = time.perf_counter() - started
        model.close()
    return sum(spent_s[num_before:]) / (JUDGE_PLACES * passed_s)


def _answer_s(call: Call) -> float:
    """Seconds that an answer takes; of the same question and seed always the same."""
    length = random.Random(f"{call.text} {call.body['seed']}").expovariate(1 / MEAN_TOKENS)
    return min(MAX_TOKENS, length) * TOKEN_S


def _answer(call: Call) -> Wire:
    return replace(completion("It is a number."), delay_s=_answer_s(call))
