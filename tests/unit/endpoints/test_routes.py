"""Proxies, certificates and the limit of open files: which way requests go, and errors that name what is wrong."""

import os
import resource
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.replies import Reply
from rilctl.engines.ports import hold_port
from rilctl.errors import ConfigError, CredentialError, EndpointError, InputError, RilctlError, RowError
from rilctl.testing.endpoint import Call, ScriptedEndpoint, Wire, completion
from rilctl.testing.raw_endpoint import ForwardProxy, RawEndpoint, Visitor, raw_reply

KEY = "sk-test-0123456789abcdef"
PEM = Path(__file__).with_name("localhost.pem")
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *(name.upper() for name in VARIABLES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secure() -> Iterator[RawEndpoint]:
    """An endpoint with a certificate of its own, for `localhost` and 127.0.0.1."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(PEM)
    with RawEndpoint(answer, tls=tls) as endpoint:
        yield endpoint


def answer(call: Call, visitor: Visitor) -> None:
    visitor.send(raw_reply(completion(f"answer {call.text}").content))


def ask(url: str, num: int = 1, *, key: str | None = None, said: list[str] | None = None, **fields: Any) -> list[str]:
    found: dict[int, Reply | RowError] = {}
    settings = {"timeout_s": 10.0, "max_retries": 0, "start_timeout_s": 0.3} | fields
    bodies = [lambda index=index: {"messages": [{"content": str(index)}]} for index in range(num)]
    warn = [].append if said is None else said.append
    secret = None if key is None else SecretStr(key)
    with closing(ChatClient(EndpointConfig(url=url, **settings), secret, warn=warn)) as client:
        for came in client.ask_each(bodies, lambda: None):
            found.update(came)
    return [reply.text if isinstance(reply, Reply) else reply.reason for _, reply in sorted(found.items())]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_passes_requests_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEndpoint(lambda call: "fine") as endpoint, ForwardProxy(endpoint.port) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert ask("http://models.test:8000/v1") == ["fine"]
    (head,) = proxy.heads
    assert head.startswith("POST http://models.test:8000/v1/chat/completions HTTP/1.1\r\nHost: models.test:8000\r\n")
    assert "Authorization" not in head


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_this_machine_is_asked_without_a_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{hold_port()}")
    with ScriptedEndpoint(lambda call: "fine") as endpoint:
        assert ask(f"http://{host}:{endpoint.port}/v1", key=KEY) == ["fine"]


def test_this_machine_is_asked_through_a_proxy_that_the_recipe_names() -> None:
    with ScriptedEndpoint(lambda call: "fine") as endpoint, ForwardProxy(endpoint.port) as proxy:
        assert ask(endpoint.url, proxy=proxy.url) == ["fine"]
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("listed", ["models.test", ".test", "other.test, models.test", "*", "models.test:8000"])
def test_hosts_that_need_no_proxy(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ForwardProxy(1) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", listed)
        with pytest.raises(EndpointError, match=r"no connection to models\.test:8000: "):
            ask("http://models.test:8000/v1")
    assert not proxy.heads


def test_user_and_password_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedEndpoint(lambda call: "fine") as endpoint, ForwardProxy(endpoint.port, user="me:p@ss w") as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:p%40ss%20w@127.0.0.1:{proxy.port}")
        assert ask("http://models.test/v1") == ["fine"]
        monkeypatch.setenv("http_proxy", f"http://me:wrong@127.0.0.1:{proxy.port}")
        with pytest.raises(CredentialError, match="of `http_proxy` refuses user and password: 407") as caught:
            ask("http://models.test/v1")
        assert "wrong" not in str(caught.value)
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(CredentialError, match="of `http_proxy` wants a user and a password: 407"):
            ask("http://models.test/v1")


def test_a_certificate_of_another_host_is_named_through_a_tunnel_as_well(
    secure: RawEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForwardProxy(secure.port, user="me:you") as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:you@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
        with pytest.raises(InputError, match=r"certificate of models\.test isn't trusted: Hostname mismatch"):
            ask("https://models.test/v1", key=KEY)
    assert proxy.heads[0].startswith("CONNECT models.test:443 HTTP/1.1\r\n")
    assert KEY not in "".join(proxy.heads)


@pytest.mark.parametrize(
    ("refuses", "kind", "message"),
    [
        ("407 Proxy Authentication Required", CredentialError, "of `https_proxy` wants a user and a password: 407"),
        ("403 Forbidden", InputError, r"of `https_proxy` doesn't connect to models\.test: 403 Forbidden"),
        ("503 Service Unavailable", EndpointError, r"of `https_proxy` doesn't connect to models\.test: 503"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    refuses: str, kind: type[RilctlError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForwardProxy(1, refuses=refuses) as proxy, pytest.raises(kind, match=message):
        monkeypatch.setenv("https_proxy", proxy.url)
        ask("https://models.test/v1", key=KEY)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_at_once(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port, said = hold_port(), list[str]()
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
    where = f"the proxy 127.0.0.1:{port} of `{scheme}_proxy`"
    with pytest.raises(EndpointError, match=f"no connection to {where}: connection refused"):
        ask(f"{scheme}://models.test/v1", said=said)
    assert f"({where}: connection refused)" in said[0]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://[::1", "is no address of a proxy"),
        ("http://me:secret@x:99999", "is no address of a proxy"),
        ("http://me:secret@x:port", "is no address of a proxy"),
        ("socks5://me:secret@x", "names no proxy that speaks plain HTTP"),
        ("https://me:secret@x", "names no proxy that speaks plain HTTP"),
        ("http://", "names no proxy that speaks plain HTTP"),
    ],
)
def test_what_is_no_proxy_is_refused_before_anything_is_asked(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(ConfigError, match=f"`https_proxy` {message}") as caught:
        ask("https://models.test/v1")
    assert "secret" not in str(caught.value)


def test_a_proxy_sees_no_key_in_clear_unless_the_recipe_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with ScriptedEndpoint(lambda call: "fine") as endpoint, ForwardProxy(endpoint.port) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(ConfigError, match=r"would see the key of models\.test") as caught:
            ask("http://models.test/v1", key=KEY)
        assert not proxy.heads and "`endpoint.proxy`" in str(caught.value.hint)
        assert ask("http://models.test/v1", key=KEY, proxy=proxy.url, said=said) == ["fine"]
    assert said == [
        f"the proxy 127.0.0.1:{proxy.port} of `endpoint.proxy` sees the key of models.test: `url` starts with http://"
    ]


def test_a_certificate_that_is_not_trusted_is_named_at_once(secure: RawEndpoint) -> None:
    with pytest.raises(InputError, match=r"certificate of 127\.0\.0\.1:\d+ isn't trusted: self.signed") as caught:
        ask(secure.url, key=KEY, start_timeout_s=1800.0)
    assert "`SSL_CERT_FILE`" in str(caught.value.hint)
    assert not secure.calls


def test_a_certificate_that_a_variable_names_is_trusted(secure: RawEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    assert ask(secure.url, 20, key=KEY, max_concurrency=2) == [f"answer {index}" for index in range(20)]
    assert ask(secure.url.replace("127.0.0.1", "localhost")) == ["answer 0"]
    assert secure.calls[0].headers["Authorization"] == f"Bearer {KEY}"
    assert secure.num_connections <= 3
    with ForwardProxy(secure.port) as proxy:
        assert ask(secure.url, 3, key=KEY, proxy=proxy.url) == [f"answer {index}" for index in range(3)]
    assert all(head.startswith("CONNECT 127.0.0.1:") and KEY not in head for head in proxy.heads)


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["nowhere", "no certificate"])
def test_certificates_that_cannot_be_read_are_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="certificates that `SSL_CERT_FILE` names can't be read"):
        ask("https://models.test/v1")


def test_a_server_without_tls_is_named() -> None:
    with ScriptedEndpoint(lambda call: "fine") as endpoint, pytest.raises(InputError, match="speaks no TLS"):
        ask(endpoint.url.replace("http://", "https://"))


def test_a_handshake_that_never_ends_is_an_endpoint_that_is_not_there() -> None:
    with RawEndpoint(answer) as silent, pytest.raises(EndpointError, match="timed out"):
        ask(silent.url.replace("http://", "https://"), connect_timeout_s=0.3)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_too_many_open_files_are_named(host: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ScriptedEndpoint(lambda call: "fine") as endpoint, ExitStack() as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_next_file() + 8, hard))
        try:
            while True:
                try:
                    files.enter_context(Path("/dev/null").open("rb"))
                except OSError:
                    break
            with pytest.raises(EndpointError, match="too many open files") as caught:
                ask(f"http://{host}:{endpoint.port}/v1", start_timeout_s=1800.0)
        finally:
            files.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "`ulimit -n 4096`" in str(caught.value.hint) and "max_concurrency" in str(caught.value.hint)


@pytest.mark.parametrize("most", [0, 2])
def test_too_many_threads_are_named_and_no_answer_is_lost(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start, started, found = threading.Thread.start, list[threading.Thread](), dict[int, Reply | RowError]()

    def start_few(thread: threading.Thread) -> None:
        if thread.name.startswith("endpoint"):
            if len(started) == most:
                assert all(asked.acquire(timeout=60) for _ in range(most))  # else they needn't ask any more
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    bodies = [lambda index=index: {"messages": [{"content": str(index)}]} for index in range(20)]
    asked = threading.Semaphore(0)
    slow = Wire(completion("fine").content, delay_s=0.5)
    with ScriptedEndpoint(lambda call: asked.release() or slow) as endpoint:
        config = EndpointConfig(url=endpoint.url, max_concurrency=8)
        with closing(ChatClient(config, None)) as client, pytest.raises(EndpointError, match="no thread") as caught:
            for came in client.ask_each(bodies, lambda: None):
                found.update(came)
    assert "`ulimit -u`" in str(caught.value.hint)
    assert len(found) == len(endpoint.calls) == most


def _next_file() -> int:
    number = os.dup(0)
    os.close(number)
    return number
