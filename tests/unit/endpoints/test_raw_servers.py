"""Servers that drip, flood, repeat themselves or say too much: deadlines hold, and each question has its own answer."""

import gzip
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints import client as client_module
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.replies import Reply
from rilctl.errors import RowError
from rilctl.testing.endpoint import Call, completion
from rilctl.testing.raw_endpoint import RawEndpoint, Visitor, raw_reply

Outcome = Reply | RowError
Script = Callable[[Call, Visitor], object]
_TIMEOUT_S = 0.5


def answer(call: Call) -> bytes:
    return raw_reply(completion(f"answer {call.text}").content)


def ask(
    url: str, num: int = 1, check_stop: Callable[[], object] = lambda: None, budget: int = 8, **fields: Any
) -> list[str]:
    """The text of each answer, or why there is none."""
    found: dict[int, Outcome] = {}
    settings = {"timeout_s": _TIMEOUT_S, "max_retries": 0, "max_failures_in_row": 99} | fields

    def body(index: int) -> Callable[[], dict[str, Any]]:
        return lambda: {"model": "m", "max_tokens": budget, "messages": [{"role": "user", "content": str(index)}]}

    with closing(ChatClient(EndpointConfig(url=url, **settings), None, warn=print)) as client:
        for came in client.ask_each([body(index) for index in range(num)], check_stop):
            found.update(came)
    return [text(found[index]) for index in range(num)]


def text(outcome: Outcome) -> str:
    return outcome.text if isinstance(outcome, Reply) else outcome.reason


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def dripping_status(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 2")
    visitor.hang()


def dripping_headers(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\nX-Wait: ")
    visitor.drip(b"a")


def many_headers(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\n")
    visitor.drip(b"X-Wait: a\r\n")


def repeated_continue(call: Call, visitor: Visitor) -> None:
    visitor.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def repeated_processing(call: Call, visitor: Visitor) -> None:
    visitor.drip(b"HTTP/1.1 102 Processing\r\n\r\n")


def gzip_of_nothing(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    visitor.send(chunk(gzip.compress(b"")[:10]))
    visitor.drip(chunk(b"\x00\x00\x00\xff\xff"))  # an empty block


def dripping_white_space(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    visitor.drip(chunk(b" "))


def dripping_body(call: Call, visitor: Visitor) -> None:
    visitor.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    visitor.drip(b"a")


SLOW: tuple[Script, ...] = (
    dripping_status,
    dripping_headers,
    many_headers,
    repeated_continue,
    repeated_processing,
    gzip_of_nothing,
    dripping_white_space,
    dripping_body,
)


@pytest.mark.parametrize("script", SLOW)
def test_no_reply_outlasts_its_deadline(script: Script) -> None:
    began = time.monotonic()
    with RawEndpoint(script) as endpoint:
        assert ask(endpoint.url) == ["endpoint-timeout"]
    assert _TIMEOUT_S * 0.9 < time.monotonic() - began < 30


def test_the_first_interruption_ends_replies_that_never_end_and_waits_for_those_that_have_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stopped(Exception):
        pass

    def script(call: Call, visitor: Visitor) -> None:
        if int(call.text) < len(SLOW):
            SLOW[int(call.text)](call, visitor)
        elif not stop.wait(30) or not time.sleep(1.0):
            visitor.send(answer(call))

    def check_stop() -> None:
        if len(endpoint.calls) == len(SLOW) + 1:
            stop.set()
            raise Stopped

    monkeypatch.setattr(client_module, "_GRACE_S", 0.2)
    stop, found = threading.Event(), dict[int, Outcome]()
    bodies = [lambda index=index: {"messages": [{"content": str(index)}]} for index in range(100)]
    with RawEndpoint(script) as endpoint:
        config = EndpointConfig(url=endpoint.url, max_concurrency=len(SLOW) + 1, timeout_s=60.0)
        began = time.monotonic()
        with closing(ChatClient(config, None)) as client, pytest.raises(Stopped):
            for came in client.ask_each(bodies, check_stop):
                found.update(came)
        assert 1 < time.monotonic() - began < 50
    assert {index: text(reply) for index, reply in found.items()} == {len(SLOW): f"answer {len(SLOW)}"}


def test_a_question_has_no_more_time_than_its_own_deadline() -> None:
    began = time.monotonic()
    with RawEndpoint(lambda call, visitor: visitor.hang()) as endpoint:
        assert ask(endpoint.url, timeout_s=60.0, deadline_s=0.5, max_retries=5) == ["endpoint-timeout"]
    assert time.monotonic() - began < 50


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "reply-too-large"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Flood: a\r\n" * 20_000, "reply-truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"a" * 60_000) * 20, "reply-too-large"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b" " * 2_000_000, "reply-too-large"),
    ],
    ids=["100 Continue", "headers", "chunks", "body"],
)
def test_no_reply_is_larger_than_its_token_budget_can_fill(flood: bytes, reason: str) -> None:
    with RawEndpoint(lambda call, visitor: visitor.drip(flood, 0.0)) as endpoint:
        assert ask(endpoint.url, timeout_s=30.0) == [reason]


def test_a_long_answer_fits_its_budget() -> None:
    long = completion("\u00e9" * 400_000).content
    with RawEndpoint(lambda call, visitor: visitor.send(raw_reply(long))) as endpoint:
        assert ask(endpoint.url, timeout_s=30.0) == ["reply-too-large"]
        assert ask(endpoint.url, timeout_s=30.0, budget=100_000) == ["\u00e9" * 400_000]


@pytest.mark.parametrize(
    ("coding", "content", "expected"),
    [
        ("gzip", gzip.compress(completion("fine").content), "fine"),
        ("deflate", zlib.compress(completion("fine").content), "fine"),
        ("gzip", gzip.compress(b" " * 50_000_000), "reply-too-large"),
        ("gzip", gzip.compress(completion("fine").content)[:-9], "reply-truncated"),
        ("gzip", b"no gzip", "reply-truncated"),
        ("br", b"\x0b\x02", "reply-truncated"),
        ("gzip", gzip.compress(b""), "reply-not-json"),
    ],
    ids=["gzip", "deflate", "bomb", "cut", "wrong", "br", "nothing"],
)
def test_a_reply_that_was_compressed_unasked(coding: str, content: bytes, expected: str) -> None:
    reply = raw_reply(content, f"Content-Encoding: {coding}")
    with RawEndpoint(lambda call, visitor: visitor.send(reply)) as endpoint:
        assert ask(endpoint.url, timeout_s=30.0) == [expected]
    assert endpoint.calls[0].headers["Accept-Encoding"] == "identity"


def twice(call: Call, visitor: Visitor) -> None:
    visitor.send(answer(call) * 2)


def with_a_stale_reply(call: Call, visitor: Visitor) -> None:
    visitor.send(answer(call) + raw_reply(completion("stale").content))


def with_empty_lines(call: Call, visitor: Visitor) -> None:
    visitor.send(answer(call) + b"\r\n\r\n")


def with_a_reply_after_chunks(call: Call, visitor: Visitor) -> None:
    good = chunk(completion(f"answer {call.text}").content) + b"0\r\n\r\n"
    visitor.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + good + answer(call))


def with_a_stale_reply_now_and_then(call: Call, visitor: Visitor) -> None:
    visitor.send(answer(call) + (raw_reply(completion("stale").content) if call.number % 8 == 0 else b""))


@pytest.mark.parametrize(
    "script",
    [
        twice,
        with_a_stale_reply,
        with_empty_lines,
        with_a_reply_after_chunks,
        with_a_stale_reply_now_and_then,
    ],
)
def test_bytes_left_over_drop_the_connection_and_become_nobody_s_answer(script: Script) -> None:
    def paced(call: Call, visitor: Visitor) -> None:
        script(call, visitor)
        time.sleep(0.01)

    expected = [f"answer {index}" for index in range(24)]
    with RawEndpoint(paced) as endpoint:
        found = ask(endpoint.url, 24, max_concurrency=2, timeout_s=30.0, max_retries=3)
    assert found == expected
    assert endpoint.num_connections > 20


def test_what_came_while_nobody_asked_is_nobody_s_answer() -> None:
    def script(call: Call, visitor: Visitor) -> None:
        visitor.send(answer(call))
        if call.number == 0:
            assert is_answered.wait(60)  # it is no part of what is read with the answer
            visitor.send(raw_reply(completion("stale").content))
            stale_is_sent.set()

    found, is_answered, stale_is_sent = dict[int, Outcome](), threading.Event(), threading.Event()
    with RawEndpoint(script) as endpoint:
        config = EndpointConfig(url=endpoint.url, timeout_s=30.0)
        with closing(ChatClient(config, None)) as client:
            for index in range(3):
                body = {"messages": [{"content": str(index)}]}
                for came in client.ask_each([lambda body=body: body], bool):
                    found.update((index, reply) for reply in came.values())
                is_answered.set()
                assert stale_is_sent.wait(60) and not time.sleep(0.2)
    assert [text(found[index]) for index in range(3)] == ["answer 0", "answer 1", "answer 2"]
    assert endpoint.num_connections == 2


def test_a_connection_is_kept_where_nothing_speaks_against_it() -> None:
    with RawEndpoint(lambda call, visitor: visitor.send(answer(call))) as endpoint:
        assert ask(endpoint.url, 24, max_concurrency=2, timeout_s=30.0) == [f"answer {index}" for index in range(24)]
        assert endpoint.num_connections <= 2


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    def script(call: Call, visitor: Visitor) -> None:
        visitor.send(answer(call))
        visitor.stream.close()

    with RawEndpoint(script) as endpoint:
        found = ask(endpoint.url, 12, max_concurrency=1, max_retries=3, timeout_s=30.0)
    assert found == [f"answer {index}" for index in range(12)]


@pytest.mark.parametrize(
    "reply",
    [
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 101 Go\r\n\r\n",
        b"\x00",
    ],
)
def test_what_is_no_http_is_asked_again(reply: bytes) -> None:
    def script(call: Call, visitor: Visitor) -> None:
        visitor.send(answer(call) if call.number else reply)
        visitor.stream.close()

    with RawEndpoint(script) as endpoint:
        assert ask(endpoint.url, max_retries=1, timeout_s=30.0) == ["answer 0"]
