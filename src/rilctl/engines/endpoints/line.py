"""The line to one endpoint: connections that are kept, and what goes wrong on the way named as what it is."""

import errno
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
import httpx2

from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.endpoints.connection import Answer, Connection, ProxyRefusedError, TooLargeError
from rilctl.engines.endpoints.failures import Retriable
from rilctl.engines.endpoints.routes import Route, find_route
from rilctl.engines.endpoints.waiting import in_words
from rilctl.errors import ConfigError, CredentialError, EndpointError, InputError, RowError

_IDLE_S = 5.0
"""A connection that nobody used for longer isn't used again: servers close them."""
_TLS_HINT = "`SSL_CERT_FILE` names a file of certificates to trust; a name that differs is one of another host in `url`"


class Line:
    """Sends requests to an endpoint; threads may use it at once.

    Args:
        endpoint: where it is.
        key: who we are there; a secret.
        warn: see `find_route`.

    Raises:
        ConfigError: there is no route.
    """

    def __init__(self, endpoint: EndpointConfig, key: str | None, warn: Callable[[str], object]) -> None:
        self._endpoint = endpoint
        self.route = find_route(endpoint, has_key=key is not None, warn=warn)
        self._tls = _trusting() if self.route.is_tls else None
        self._headers = [("Host", self.route.authority), ("User-Agent", "rilctl"), ("Accept", "application/json")]
        self._headers += [("Accept-Encoding", "identity"), ("Content-Type", "application/json")]
        if key is not None:
            self._headers.append(("Authorization", f"Bearer {key}"))
        if self.route.proxy is not None and not self.route.is_tls and self.route.proxy.authorization is not None:
            self._headers.append(("Proxy-Authorization", self.route.proxy.authorization))
        self._lock = threading.Lock()
        self._idle: list[tuple[Connection, float]] = []
        self._busy: set[Connection] = set()
        self._keeps, self._is_closed = True, False

    def post(self, body: dict[str, Any], deadline: float, max_bytes: int) -> Answer:
        """One request and its reply.

        Args:
            body: sent as JSON.
            deadline: on the monotonic clock.
            max_bytes: see `Connection.ask`.

        Raises:
            Retriable: nobody is there (`absent`), or the reply isn't whole.
            RowError: `reply-too-large`.
            RilctlError: another attempt would meet the same: a certificate, a proxy, the limit of open files.
        """
        content = json.dumps(body).encode()
        headers = [*self._headers, ("Content-Length", str(len(content)))]
        request = h11.Request(method="POST", target=self.route.target, headers=headers)
        limit_s, host = max(0.0, deadline - time.monotonic()), self._endpoint.host
        connection = self._connected(deadline)
        try:
            return connection.ask(request, content, deadline, max_bytes)
        except TimeoutError as error:
            raise Retriable("endpoint-timeout", f"{host}: no whole reply within {limit_s:.3g} s") from error
        except TooLargeError:
            said = f"{host}: a reply of more than {max_bytes:,} bytes, which is more than its token budget can fill"
            raise RowError("reply-too-large", said) from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise Retriable(
                "reply-truncated" if connection.has_begun else "endpoint-disconnected", f"{host}: {in_words(error)}"
            ) from error
        finally:
            self._put_back(connection)

    def hang_up_begun(self) -> None:
        """Give up the replies that have begun to come, and aren't whole."""
        with self._lock:
            for connection in self._busy:
                if connection.has_begun:
                    _hang_up(connection.socket)

    def close(self) -> None:
        """Give up everything; what other threads wait for breaks."""
        with self._lock:
            self._is_closed = True
            for connection in self._busy:
                _hang_up(connection.socket)
            while self._idle:
                self._idle.pop()[0].socket.close()

    def _connected(self, deadline: float) -> Connection:
        """A connection that was kept, or a new one."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
                self._busy.add(connection)
            if time.monotonic() - since < _IDLE_S and connection.is_clean():
                return connection
            self._drop(connection)
        return self._connect(min(deadline, time.monotonic() + self._endpoint.connect_timeout_s))

    def _connect(self, deadline: float) -> Connection:
        route, connection = self.route, None
        proxy, host = route.proxy, self._endpoint.host
        where = str(proxy) if proxy else host
        try:
            end = (proxy.host, proxy.port) if proxy else (route.host, route.port)
            stream = socket.create_connection(end, timeout=max(0.001, deadline - time.monotonic()))
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._watched(Connection(stream))
            if self._tls is None:
                return connection
            if proxy is not None:
                connection.open_tunnel(route, proxy, deadline)
                where = host
            stream.settimeout(max(0.001, deadline - time.monotonic()))
            secured = self._watched(Connection(self._tls.wrap_socket(stream, server_hostname=route.host)))
            with self._lock:
                self._busy.discard(connection)
            return secured
        except BaseException as error:
            if connection is not None:
                self._drop(connection)
            if isinstance(error, ProxyRefusedError):
                raise refused_by_proxy(route, error.status, f"{error}") from error
            if isinstance(error, OSError | h11.RemoteProtocolError):
                raise self._unconnected(error, where) from error
            raise

    def _watched(self, connection: Connection) -> Connection:
        with self._lock:
            self._busy.add(connection)
            if self._is_closed:
                _hang_up(connection.socket)
        return connection

    def _put_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, if nothing speaks against it.

        Of a server that left bytes behind, none is kept any more: next time they may come a moment later.
        """
        is_clean = not connection.has_begun and connection.socket.fileno() >= 0 and connection.is_clean()
        with self._lock:
            self._busy.discard(connection)
            self._keeps &= not connection.has_leftover
            if is_clean and self._keeps and not self._is_closed:
                self._idle.append((connection, time.monotonic()))
                return
        connection.socket.close()

    def _drop(self, connection: Connection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.socket.close()

    def _unconnected(self, error: Exception, where: str) -> Exception:
        """Why there is no connection: what passes as `Retriable`, else as what ends everything."""
        if isinstance(error, OSError) and (error.errno in (errno.EMFILE, errno.ENFILE) or not _has_files_left()):
            return EndpointError(
                f"no connection to {where}: too many open files",
                hint="`ulimit -n 4096` raises the limit, a lower `endpoint.max_concurrency` needs less",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message or "it can't be verified"
            return InputError(f"the certificate of {where} isn't trusted: {why}", hint=_TLS_HINT)
        if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return InputError(f"{where} speaks no TLS", hint="`endpoint.url` starts with http:// there")
        why = in_words(error)
        absent = why if where == self._endpoint.host else f"{where}: {why}"
        return Retriable("endpoint-unreachable", f"no connection to {where}: {why}", absent=absent)


def refused_by_proxy(route: Route, status: int, said: str) -> Exception:
    """What it means that a proxy passes nothing on, as the exception to raise."""
    proxy = route.proxy
    if status == 407 and proxy is not None:
        known = "refuses user and password" if proxy.authorization else "wants a user and a password"
        return CredentialError(
            f"{proxy} {known}: {said}", hint="the variable holds them: `http://USER:PASSWORD@HOST:PORT`"
        )
    message = f"{proxy} doesn't connect to {route.authority}: {said}"
    if status >= 500:
        return Retriable("endpoint-unreachable", message, absent=message)
    return InputError(message, hint="`no_proxy` lists hosts that need no proxy, `endpoint.proxy` names another one")


def _trusting() -> ssl.SSLContext:
    """Which certificates are trusted: the system's, or those that a variable names."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "SSL_CERT_FILE")
        why = error.strerror or "no certificates"
        raise ConfigError(f"the certificates that `{named}` names can't be read: {why}", hint=_TLS_HINT) from error


def _has_files_left() -> bool:
    """Whether a file can be opened: the look-up of a name doesn't say why it fails."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)  # wakes who reads, as closing it would not
