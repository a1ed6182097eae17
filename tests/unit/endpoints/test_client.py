import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.replies import Reply
from rilctl.engines.endpoints.waiting import Waiting
from rilctl.engines.generation.base import Usage
from rilctl.engines.ports import hold_port
from rilctl.errors import CredentialError, EndpointError, InputError, RilctlError, RowError
from rilctl.testing.endpoint import Call, Script, ScriptedEndpoint, Wire, completion, failure

KEY = "sk-test-0123456789abcdef"
Outcome = Reply | RowError


def config(url: str, **fields: Any) -> EndpointConfig:
    return EndpointConfig(url=url, **{"max_retries": 2, "timeout_s": 5.0, **fields})


def opened(url: str, key: SecretStr | None = None, **fields: Any) -> closing[ChatClient]:
    return closing(ChatClient(config(url, **fields), key, role="the judge", warn=print))


def ask(script: Script, num: int = 1, **fields: Any) -> tuple[list[Outcome], ScriptedEndpoint, ChatClient]:
    with ScriptedEndpoint(script) as endpoint, opened(endpoint.url, SecretStr(KEY), **fields) as client:
        found = ask_with(client, num)
    return found, endpoint, client


def ask_with(client: ChatClient, num: int, check_stop: Callable[[], object] = lambda: None) -> list[Outcome]:
    found: dict[int, Outcome] = {}
    for came in client.ask_each([question(index) for index in range(num)], check_stop):
        found.update(came)
    return [found[index] for index in range(num)]


def question(index: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": str(index)}]}


def text(outcome: Outcome) -> str:
    return outcome.text if isinstance(outcome, Reply) else outcome.reason


def first(wire: Wire | str, then: str = "fine") -> Script:
    return lambda call: wire if call.number == 0 else then


def always(wire: Wire) -> Script:
    return lambda call: wire


def test_every_question_gets_its_own_answer_and_many_are_under_way_at_once() -> None:
    ten = threading.Barrier(10)

    def together(call: Call) -> str:
        ten.wait(60)
        return f"answer {call.text}"

    found, endpoint, client = ask(together, 40, max_concurrency=10, timeout_s=60.0)
    assert [text(reply) for reply in found] == [f"answer {index}" for index in range(40)]
    assert endpoint.most_at_once == 10
    assert (client.ledger.num_calls, client.ledger.num_answers) == (40, 40)
    assert client.ledger.usage == Usage(400, sum(len(f"answer {index}") for index in range(40)))


def test_key_and_body_arrive() -> None:
    _, endpoint, _ = ask(lambda call: "fine")
    (call,) = endpoint.calls
    assert call.path == "/v1/chat/completions"
    assert call.headers["Authorization"] == f"Bearer {KEY}"
    assert call.body == {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "0"}]}


@pytest.mark.parametrize(
    "wire",
    [
        failure(500),
        failure(503),
        failure(429),
        failure(408),
        Wire(b"<html><body>busy</body></html>", headers={"Content-Type": "text/html"}),
        Wire(completion("fine").content[:40]),
        Wire(completion("fine").content[:40], missing_bytes=500),
        Wire(b'{"choices": []}'),
        Wire(b'["no", "object"]'),
        Wire(b'{"error": {"message": "upstream"}}'),
        Wire(b"[" * 100_000),
        Wire(b""),
    ],
    ids=[
        "500",
        "503",
        "429",
        "408",
        "html",
        "cut json",
        "half a reply",
        "no choices",
        "a list",
        "error",
        "deep",
        "empty",
    ],
)
def test_what_can_pass_is_asked_again(wire: Wire) -> None:
    found, endpoint, _ = ask(first(wire))
    assert text(found[0]) == "fine"
    assert len(endpoint.calls) == 2


@pytest.mark.parametrize(
    ("wire", "reason", "num_calls"),
    [
        (failure(500), "endpoint-error", 3),
        (failure(429), "rate-limited", 3),
        (Wire(b"<html>busy</html>"), "reply-not-json", 3),
        (Wire(completion("fine").content[:40], missing_bytes=500), "reply-truncated", 3),
        (Wire(b'{"choices": []}'), "reply-no-choices", 3),
        (completion(None), "reply-no-content", 1),
        (completion(None, finish_reason="length"), "reply-no-content", 1),
        (completion("half", finish_reason="content_filter"), "content-filter", 1),
        (completion(""), "reply-no-content", 1),
        (completion(" \n\t"), "reply-no-content", 1),
        (completion("half", finish_reason="tool_calls"), "reply-unfinished", 1),
        (completion("\ud800"), "text-invalid", 1),
        (failure(400, "context length exceeded"), "request-refused", 1),
        (failure(400, "The response was filtered due to the prompt", code="content_filter"), "content-filter", 1),
        (failure(400, "Your request was rejected by our safety system"), "content-filter", 1),
        (failure(400, "Output blocked by content filtering policy"), "content-filter", 1),
        (
            failure(400, "Input data may contain inappropriate content", code="data_inspection_failed"),
            "content-filter",
            1,
        ),
        (failure(403, "requires moderation on OpenInference. Your input was flagged"), "content-filter", 1),
        (failure(403, "blocked", code="content_policy_violation"), "content-filter", 1),
        (failure(413), "request-refused", 1),
        (failure(422), "request-refused", 1),
        (
            Wire(b'{"choices": [{"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}]}'),
            "model-refused",
            1,
        ),
    ],
)
def test_each_failure_has_its_own_reason_and_harms_no_other_row(wire: Wire, reason: str, num_calls: int) -> None:
    found, endpoint, client = ask(lambda call: wire if call.text == "1" else "fine", 3)
    assert [text(reply) for reply in found] == ["fine", reason, "fine"]
    assert len(endpoint.calls) == num_calls + 2
    assert client.ledger.num_answers == 2


def test_a_reply_without_a_count_is_an_answer_that_is_said_to_be_uncounted() -> None:
    found, _, client = ask(always(completion("fine", usage=False)))
    assert found == [Reply("fine", "stop", None)]
    assert (client.ledger.num_uncounted, client.ledger.usage) == (1, Usage(0, 0))


def test_tokens_of_an_unusable_reply_are_counted_they_were_paid_for() -> None:
    _, _, client = ask(always(completion("half", finish_reason="content_filter")))
    assert client.ledger.usage == Usage(10, 4)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    def soon() -> str:
        return "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)

    began = time.monotonic()
    found, _, _ = ask(lambda call: failure(429, Retry_After=soon()) if call.number == 0 else "fine")
    assert text(found[0]) == "fine"
    assert 0.9 <= time.monotonic() - began < 30


def test_retry_after_holds_for_the_questions_that_were_not_asked_yet() -> None:
    times: list[float] = []

    def script(call: Call) -> str | Wire:
        times.append(time.monotonic())
        return failure(429, Retry_After="1") if call.number == 0 else "fine"

    ask(script, 6, max_concurrency=1)
    assert times[1] - times[0] >= 0.9


def test_a_pause_that_is_longer_than_the_deadline_ends_the_question() -> None:
    began = time.monotonic()
    found, endpoint, _ = ask(first(failure(429, Retry_After="3600")), deadline_s=50.0)
    assert text(found[0]) == "rate-limited"
    assert len(endpoint.calls) == 1 and time.monotonic() - began < 40


@pytest.mark.parametrize("wire", [Wire(b"late", delay_s=90), Wire(completion("late").content, drip_s=0.5)])
def test_silence_and_a_trickle_end_after_the_timeout(wire: Wire) -> None:
    began = time.monotonic()
    found, _, _ = ask(always(wire), timeout_s=0.4, max_retries=0)
    assert text(found[0]) == "endpoint-timeout"
    assert time.monotonic() - began < 30


def test_an_endpoint_that_does_not_come_ends_everything_when_its_time_is_over() -> None:
    began = time.monotonic()
    with (
        opened(f"http://127.0.0.1:{hold_port()}/v1", start_timeout_s=0.5) as client,
        pytest.raises(EndpointError, match="the endpoint is down: no connection to 127.0.0.1") as caught,
    ):
        ask_with(client, 1000)
    assert caught.value.exit_code == 1 and "asks for the rest" in str(caught.value.hint)
    assert 0.5 <= time.monotonic() - began < 60
    assert client.ledger.num_calls == 0


def test_an_endpoint_that_starts_late_is_waited_for_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    port = hold_port()
    asked = threading.Event()

    def start() -> None:
        asked.wait(60)
        with ScriptedEndpoint(lambda call: "fine", port=port):
            done.wait(120)

    done, server = threading.Event(), threading.Thread(target=start)
    server.start()
    threading.Timer(0.5, asked.set).start()
    with opened(f"http://127.0.0.1:{port}/v1", max_retries=0) as client:
        found = ask_with(client, 40)
    done.set()
    server.join()
    assert [text(reply) for reply in found] == ["fine"] * 40
    where = f"the judge at http://127.0.0.1:{port}/v1"
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"waiting for {where} (connection refused), up to 30 min; Ctrl-C stops"
    assert last.startswith(f"{where} is up after ")
    assert (client.ledger.num_calls, client.ledger.num_answers) == (40, 40)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_still_loads_is_waited_for_without_counting_attempts(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, _ = ask(lambda call: failure(status) if call.number < 5 else "fine", max_retries=0)
    assert text(found[0]) == "fine"
    assert f"(HTTP {status}), up to 30 min" in capsys.readouterr().out


def test_a_host_of_no_such_name_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        opened("http://no-such-host.invalid/v1", start_timeout_s=0.2) as client,
        pytest.raises(EndpointError, match=r"no connection to no-such-host\.invalid"),
    ):
        ask_with(client, 1)
    assert "waiting for the judge at http://no-such-host.invalid/v1 (" in capsys.readouterr().out


def test_a_long_wait_is_said_again() -> None:
    said: list[str] = []
    waiting = Waiting("the judge", 1.0, said.append, lambda: None, say_every_s=0.2)
    while waiting.once_more("connection refused", time.monotonic()):
        pass
    assert said[0] == "waiting for the judge (connection refused), up to 1 s; Ctrl-C stops"
    assert 1 < len(said) <= 6 and all(line.startswith("still waiting for the judge (") for line in said[1:])


def test_who_met_nobody_just_before_the_server_was_up_says_nothing_and_asks_again() -> None:
    said: list[str] = []
    waiting = Waiting("the judge", 60.0, said.append, lambda: None)
    asked_at = time.monotonic()
    assert waiting.once_more("connection refused", asked_at)
    waiting.is_up()
    assert waiting.once_more("connection refused", asked_at)
    assert [line.split("the judge")[0] for line in said] == ["waiting for ", ""]
    assert waiting.once_more("connection refused", time.monotonic())  # it has gone away
    assert said[2].startswith("waiting for the judge")


def test_a_signal_ends_the_wait() -> None:
    class Stopped(RilctlError):
        pass

    def check_stop() -> None:
        if time.monotonic() > began + 0.3:
            raise Stopped("stopped")

    began = time.monotonic()
    endpoint = config(f"http://127.0.0.1:{hold_port()}/v1")
    client = ChatClient(endpoint, None, warn=print, check_stop=check_stop)
    with closing(client), pytest.raises(Stopped):
        ask_with(client, 40)
    assert time.monotonic() - began < 60


def test_an_endpoint_that_goes_away_is_waited_for_again() -> None:
    def ask_again() -> str:
        with ScriptedEndpoint(always(good), port=port):
            return text(ask_with(client, 1)[0])

    good = Wire(completion("fine").content, headers={"Connection": "close"})
    port = hold_port()
    with opened(f"http://127.0.0.1:{port}/v1", start_timeout_s=0.3) as client:
        assert ask_again() == "fine"
        with pytest.raises(EndpointError):
            ask_with(client, 1)
        assert ask_again() == "fine"


def test_a_server_that_only_fails_ends_everything_after_a_few_questions() -> None:
    found: dict[int, Outcome] = {}
    with (
        ScriptedEndpoint(always(failure(500))) as endpoint,
        opened(endpoint.url, max_retries=0, max_failures_in_row=4, max_concurrency=1) as client,
        pytest.raises(EndpointError, match="4 questions in a row have no answer"),
    ):
        for came in client.ask_each([dict] * 1000, lambda: None):
            found.update(came)
    assert [text(reply) for reply in found.values()] == ["endpoint-error"] * 3
    assert len(endpoint.calls) < 8


def test_answers_between_failures_keep_the_endpoint_alive() -> None:
    found, _, _ = ask(
        lambda call: failure(500) if call.number % 4 else "fine", 40, max_retries=0, max_failures_in_row=4,
        max_concurrency=1,
    )  # fmt: skip
    assert sum(isinstance(reply, Reply) for reply in found) == 10


def test_a_request_that_is_refused_from_the_start_is_the_recipe_s_fault() -> None:
    with pytest.raises(EndpointError, match="refuses every request: .*unknown key"):
        ask(always(failure(400, "unknown key")), 100, max_failures_in_row=4)


@pytest.mark.parametrize(
    "wire",
    [
        failure(400, "too long"),
        failure(403, "flagged by moderation"),
        completion(""),
        completion(None),
        completion("half", finish_reason="content_filter"),
        completion("half", finish_reason="tool_calls"),
    ],
    ids=["400", "403", "empty", "none", "filter", "unfinished"],
)
def test_many_questions_in_a_row_without_a_usable_answer_end_everything(wire: Wire) -> None:
    found: dict[int, Outcome] = {}
    with (
        ScriptedEndpoint(lambda call: wire if call.number else "fine") as endpoint,
        opened(endpoint.url, max_failures_in_row=6, max_concurrency=1) as client,
        pytest.raises(EndpointError, match="6 questions in a row have no answer") as caught,
    ):
        for came in client.ask_each([question(index) for index in range(60)], lambda: None):
            found.update(came)
    assert "`endpoint.max_failures_in_row` allows more" in str(caught.value.hint)
    assert text(found[0]) == "fine" and len(found) == 6 and len(endpoint.calls) == 7


def test_refusals_of_one_question_count_once_however_many_responses_are_wanted() -> None:
    def script(call: Call) -> str | Wire:
        return failure(400, "flagged", code="content_filter") if call.text == "1" else "fine"

    with ScriptedEndpoint(script) as endpoint, opened(endpoint.url, max_failures_in_row=2) as client:
        found: dict[int, Outcome] = {}
        for came in client.ask_each([question(1)] * 20 + [question(2)], lambda: None):
            found.update(came)
    assert [text(found[index]) for index in range(21)] == ["content-filter"] * 20 + ["fine"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_everything_and_is_nowhere_in_the_message(status: int) -> None:
    answered: dict[int, Outcome] = {}

    def script(call: Call) -> str | Wire:
        return "fine" if call.number < 3 else failure(status, f"bad key {KEY}, {KEY[:12]}***")

    with (
        ScriptedEndpoint(script) as endpoint,
        opened(endpoint.url, SecretStr(KEY), max_concurrency=1, key_env="TEACHER_KEY") as client,
        pytest.raises(CredentialError, match="refuses the key in `TEACHER_KEY`") as caught,
    ):
        for came in client.ask_each([dict] * 50, lambda: None):
            answered.update(came)
    assert caught.value.exit_code == 4
    assert KEY[:8] not in caught.value.message
    assert len(answered) == 3


@pytest.mark.parametrize(
    "wire", [failure(500, KEY), failure(400, f"key {KEY}"), Wire(f"<html>{KEY}</html>".encode(), 500)]
)
def test_the_key_is_in_no_reason_that_is_recorded(wire: Wire) -> None:
    found, _, client = ask(always(wire), max_retries=0)
    assert isinstance(found[0], RowError)
    assert KEY not in found[0].message and "[key]" in found[0].message
    assert KEY not in repr(client) + repr(vars(client))


@pytest.mark.parametrize(
    "wire",
    [
        failure(500, KEY),
        failure(402, KEY),
        failure(401, KEY),
        failure(404, KEY),
        failure(308, Location=f"https://elsewhere/v1?key={KEY}"),
        Wire(f'{{"error": {{"message": "no: {KEY}"}}}}'.encode()),
        Wire(f"<html>{KEY}</html>".encode()),
    ],
    ids=["500", "402", "401", "404", "308", "error with 200", "html"],
)
def test_the_key_is_in_no_traceback(wire: Wire) -> None:
    with pytest.raises(RilctlError) as caught:
        ask(always(wire), max_retries=0, max_failures_in_row=1)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY[:8] not in shown and "[key]" in shown


def test_an_unknown_model_and_a_wrong_address_are_input_errors() -> None:
    with pytest.raises(InputError, match="no chat completions of `m`"):
        ask(always(failure(404, "no such model")))
    with pytest.raises(InputError, match="points to https://elsewhere"):
        ask(always(failure(308, Location="https://elsewhere")))


@pytest.mark.parametrize(
    "wire", [failure(402, "pay first"), failure(429, "quota", code="insufficient_quota")], ids=["402", "quota"]
)
def test_an_account_that_is_used_up_is_not_asked_again(wire: Wire) -> None:
    with (
        ScriptedEndpoint(always(wire)) as endpoint,
        opened(endpoint.url, max_concurrency=4) as client,
        pytest.raises(EndpointError, match="the account is used up"),
    ):
        ask_with(client, 50)
    assert len(endpoint.calls) <= 4


def test_the_other_name_of_the_token_budget_is_found_and_kept() -> None:
    def newer_model(call: Call) -> str | Wire:
        if "max_tokens" in call.body:
            return failure(400, "'max_tokens' is not supported with this model, use 'max_completion_tokens'")
        return f"at most {call.body['max_completion_tokens']}"

    found, endpoint, _ = ask(newer_model, 20, max_concurrency=4)
    assert [text(reply) for reply in found] == ["at most 8"] * 20
    assert len(endpoint.calls) <= 24


def test_a_stop_waits_for_what_is_under_way_and_asks_nothing_new() -> None:
    stop = threading.Event()

    class Stopped(Exception):
        pass

    def check_stop() -> None:
        if stop.is_set():
            raise Stopped

    def script(call: Call) -> Wire:
        if call.number == 7:
            stop.set()
        return Wire(completion("fine").content, delay_s=0.2)

    found: dict[int, Outcome] = {}
    with (
        ScriptedEndpoint(script) as endpoint,
        opened(endpoint.url, max_concurrency=4) as client,
        pytest.raises(Stopped),
    ):
        for came in client.ask_each([dict] * 100, check_stop):
            found.update(came)
    assert len(found) == len(endpoint.calls) <= 12
    assert all(isinstance(reply, Reply) for reply in found.values())


def test_a_third_of_all_calls_failing_at_random_loses_nothing() -> None:
    turns, lock = Counter[str](), threading.Lock()
    faults = [
        failure(500),
        failure(429),
        Wire(b"<html>"),
        Wire(b'{"choices": []}'),
        Wire(completion("wrong").content[:50], missing_bytes=10),
    ]

    def script(call: Call) -> str | Wire:
        with lock:
            turns[call.text] += 1
            dice = random.Random(f"{call.text} {turns[call.text]}")  # whoever is asked first
        return dice.choice(faults) if dice.random() < 0.3 else f"answer {call.text}"

    found, _, _ = ask(script, 120, max_retries=8)
    assert [text(reply) for reply in found] == [f"answer {index}" for index in range(120)]


def test_closing_from_another_thread_gives_up_what_hangs() -> None:
    hangs = threading.Event()
    with ScriptedEndpoint(lambda call: str(hangs.wait(120))) as endpoint:
        client = ChatClient(config(endpoint.url, timeout_s=120.0), None)
        began = time.monotonic()
        threading.Timer(0.5, client.close).start()
        with pytest.raises(CancelledError):
            ask_with(client, 30)
        assert time.monotonic() - began < 60
        with pytest.raises(CancelledError):
            ask_with(client, 1)
        hangs.set()
