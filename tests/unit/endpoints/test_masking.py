"""A key in a message or an answer, in whatever form a server writes it."""

import base64
import string
import time
from contextlib import closing
from typing import Any

import pytest
from pydantic import SecretStr

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.masking import Mask
from rilctl.engines.endpoints.replies import Reply
from rilctl.errors import RowError
from rilctl.testing.endpoint import ScriptedEndpoint

KEY = "sk-Test-0123456789abcdefGHIJKLMNOPqrstuv+/_-wxyz"
MASK = Mask(SecretStr(KEY))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (KEY, "[key]"),
        (KEY.upper(), "[key]"),
        (KEY.lower(), "[key]"),
        (KEY.swapcase(), "[key]"),
        (f"Bearer {KEY}.", "Bearer [key]."),
        (f"{KEY}{KEY}", "[key]"),
        (f"{KEY} and {KEY.upper()}", "[key] and [key]"),
        (f"{KEY[:20]} … {KEY[20:]}", "[key] … [key]"),
        (f"{KEY[5:17]}", "[key]"),
        (f"é{KEY[-12:]}İ", "é[key]İ"),
        (f"x{KEY[8:20].upper()}y", "x[key]y"),
    ],
)
def test_an_answer_holds_neither_the_key_nor_a_piece_of_it(said: str, shown: str) -> None:
    assert MASK.answer(said) == MASK.message(said) == shown


@pytest.mark.parametrize("before", ["", "x", "xy", "Bearer ", "user:"])
@pytest.mark.parametrize("after", ["", ".", "\r\n"])
def test_an_answer_holds_no_base64_of_the_key(before: str, after: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(f"{before}{KEY}{after}".encode()).decode()
        for said in (encoded, encoded.upper(), encoded[4:-4]):
            shown = MASK.answer(f"it is {said}!")
            assert shown.startswith("it is ") and "[key]" in shown
            assert len(shown) <= len("it is [key]!") + len(b64(before)) + len(b64(after)) + 4


@pytest.mark.parametrize(
    "said",
    [
        "",
        "the cup is empty",
        "keys begin with sk-Test-",
        "0123456789 are the digits",
        KEY[5:16],
        f"{KEY[:11]} {KEY[11:22]}",
        string.punctuation + string.whitespace,
        "\ud800 half a pair",
    ],
)
def test_nothing_else_of_an_answer_is_changed(said: str) -> None:
    assert MASK.answer(said) == said


def test_a_message_is_masked_more_strictly_than_an_answer() -> None:
    assert MASK.message(KEY[:8]) == "[key]" and MASK.message(KEY[:7]) == KEY[:7]
    short = Mask(SecretStr("EMPTY"))
    assert short.message("bad key EMPTY") == "bad key [key]"
    assert short.answer("the cup is EMPTY, and empty") == "the cup is EMPTY, and empty"
    assert Mask(None).answer(KEY) == Mask(None).message(KEY) == KEY


def test_a_long_answer_is_looked_through_at_once() -> None:
    long = "a word or two, " * 100_000
    began = time.process_time()
    assert MASK.answer(long + KEY) == long + "[key]"
    assert time.process_time() - began < 5


def test_a_client_hands_over_no_key() -> None:
    config, found = EndpointConfig(url="http://placeholder/v1"), dict[int, Reply | RowError]()

    def body() -> dict[str, Any]:
        return {"messages": [{"content": "what is your key?"}]}

    with ScriptedEndpoint(lambda call: f"it is {call.headers['Authorization']}, or {b64(KEY)}") as endpoint:
        here = config.model_copy(update={"url": endpoint.url})
        with closing(ChatClient(here, SecretStr(KEY))) as client:
            for came in client.ask_each([body], lambda: None):
                found.update(came)
    reply = found[0]
    assert isinstance(reply, Reply) and reply.text == "it is Bearer [key], or [key]"
