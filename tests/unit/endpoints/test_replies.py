"""What is an answer in a chat completion, and what is none."""

import json
from typing import Any

import pytest

from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.endpoints.replies import Reply, read_object, read_reply
from rilctl.engines.generation.base import Usage
from rilctl.errors import RowError

THINKS = {"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]}
REASONS = {"type": "reasoning", "text": "hmm"}


def read(content: Any, finish_reason: Any = "stop", usage: Any = None, **message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    if finish_reason != "absent":
        choice["finish_reason"] = finish_reason
    return read_reply(read_object(json.dumps({"choices": [choice], "usage": usage}).encode()))


@pytest.mark.parametrize(
    "content", [None, "", " ", "\n\t\u00a0\u3000", [], [THINKS], [{"type": "text", "text": " "}], 5, {}]
)
@pytest.mark.parametrize("beside", [{}, {"reasoning_content": "so it is four"}, {"reasoning": "so"}])
@pytest.mark.parametrize("finish_reason", ["stop", "length", "absent"])
def test_what_has_no_text_is_no_answer(content: Any, beside: dict[str, str], finish_reason: str) -> None:
    with pytest.raises(RowError) as caught:
        read(content, finish_reason, **beside)
    assert caught.value.reason == "reply-no-content"
    assert ("beside what the model thought" in caught.value.message) == bool(beside)


@pytest.mark.parametrize(
    "content",
    [
        "it is four",
        [{"type": "text", "text": "it is four"}],
        [THINKS, {"type": "text", "text": "it is four"}],
        [REASONS, {"type": "text", "text": "it is "}, {"type": "text", "text": "four"}],
        ["it is ", "four"],
        [{"type": "output_text", "text": "it is four"}],
        [{"text": "it is four"}],
        [{"type": "text", "text": "it is four"}, {"type": "image_url", "image_url": {}}, 5, None],
    ],
)
def test_text_is_read_from_its_parts_and_what_the_model_thought_is_left_out(content: Any) -> None:
    assert read(content, reasoning_content="hmm").text == "it is four"


@pytest.mark.parametrize(
    "finish_reason",
    ["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "completed", "absent", None, ""],
)
def test_a_stop_by_any_name(finish_reason: str | None) -> None:
    assert read("fine", finish_reason).finish_reason == "stop"


@pytest.mark.parametrize("finish_reason", ["length", "MAX_TOKENS", "max_tokens", "model_length", "max_output_tokens"])
def test_the_end_of_the_budget_by_any_name(finish_reason: str) -> None:
    assert read("fine", finish_reason).finish_reason == "length"


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [
        ("content_filter", "content-filter"),
        ("SAFETY", "content-filter"),
        ("PROHIBITED_CONTENT", "content-filter"),
        ("tool_calls", "reply-unfinished"),
        ("abort", "reply-unfinished"),
        ("error", "reply-unfinished"),
        (5, "reply-unfinished"),
        (["stop"], "reply-unfinished"),
    ],
)
def test_an_end_that_is_none_of_an_answer(finish_reason: Any, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        read("half", finish_reason)
    assert caught.value.reason == reason


def test_a_refusal_in_a_part() -> None:
    with pytest.raises(RowError, match="I won't") as caught:
        read([{"type": "refusal", "refusal": "I won't"}])
    assert caught.value.reason == "model-refused"


def test_the_first_choice_is_the_one_of_index_0() -> None:
    def choice(index: Any, text: str) -> dict[str, Any]:
        return {"index": index, "message": {"content": text}, "finish_reason": "stop"}

    assert read_reply({"choices": [choice(1, "second"), choice(0, "first")]}).text == "first"
    assert read_reply({"choices": [choice(None, "first")]}).text == "first"
    for choices in ([choice(1, "other")], [choice("0", "other")], [choice(-1, "a"), choice(7, "b")]):
        with pytest.raises(Retriable, match="no choice 0"):
            read_reply({"choices": choices})


@pytest.mark.parametrize(
    "count",
    ["1" + "0" * 400, "1" + "0" * 5000, f"{2**63}", f"{2**40}", "1e999", "-1", "1.5", '"5"', "null", "true", "[1]"],
    ids=lambda count: f"{count:.12}",
)
def test_a_count_of_tokens_that_is_none_spoils_no_answer(count: str) -> None:
    choice = '{"message": {"content": "fine"}, "finish_reason": "stop"}'
    reply = f'{{"choices": [{choice}], "usage": {{"prompt_tokens": {count}, "completion_tokens": 1}}}}'
    assert read_reply(read_object(reply.encode())) == Reply("fine", "stop", None)


def test_a_count_that_makes_sense() -> None:
    assert read("fine", usage={"prompt_tokens": 3, "completion_tokens": 4}).usage == Usage(3, 4)
