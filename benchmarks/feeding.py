"""How busy the places of a teacher are while `cache-teacher` asks it; the measure `teacher_busy_share` of `startup.py`.

A server on this machine answers as a teacher would that decodes 64 responses at once: a response takes the time of its
tokens, exponential lengths of 250 in the mean, cut at 1,024. 160 questions get 16 responses each, from the look at the
call cache to the commit, over HTTP. The share is the seconds of all answers over those of all places, from the first
look to the last commit.
"""

import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rilctl.artifacts.calls import CallCache
from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest, questions_at_once
from rilctl.engines.generation.openai import open_endpoint
from rilctl.errors import RowError
from rilctl.stages.shared.cached_calls import cached_responses
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion

NUM_QUESTIONS, NUM_RESPONSES, NUM_PLACES = 160, 16, 64
MEAN_TOKENS, MAX_TOKENS, TOKEN_S = 250, 1024, 2e-3


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


def _answer_s(call: Call) -> float:
    """Seconds that an answer takes; of the same question and seed always the same."""
    length = random.Random(f"{call.text} {call.body['seed']}").expovariate(1 / MEAN_TOKENS)
    return min(MAX_TOKENS, length) * TOKEN_S


def _answer(call: Call) -> Wire:
    return replace(completion("It is a number."), delay_s=_answer_s(call))
