"""How requests reach an endpoint: directly, or through a proxy that the recipe or the environment names."""

import base64
import ipaddress
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from rilctl.config.endpoints import EndpointConfig
from rilctl.errors import ConfigError

_HINT = "a proxy is named as `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`"


@dataclass(frozen=True)
class Proxy:
    """A proxy that speaks plain HTTP.

    Args:
        source: the key or variable that names it.
        authorization: what it is told about who we are, as a header's value; a secret.
    """

    host: str
    port: int
    source: str
    authorization: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} of `{self.source}`"


@dataclass(frozen=True)
class Route:
    """Where requests go.

    Args:
        host: name or address of the endpoint, without brackets.
        path: what is asked for there.
        proxy: who is asked to pass it on.
    """

    host: str
    port: int
    path: str
    is_tls: bool
    proxy: Proxy | None

    @property
    def authority(self) -> str:
        """Host and port as HTTP writes them; a scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """What a request names: a proxy that passes on plain HTTP must be told the host as well."""
        return self.path if self.is_tls or self.proxy is None else f"http://{self.authority}{self.path}"


def find_route(endpoint: EndpointConfig, *, has_key: bool, warn: Callable[[str], object]) -> Route:
    """The route to an endpoint.

    Args:
        endpoint: its address, and a proxy where the recipe names one.
        has_key: whether requests hold a key.
        warn: told where a proxy that the recipe names gets to see the key.

    Raises:
        ConfigError: what is named as a proxy is none that can be used, or would see the key without having been asked.
    """
    parts = urlsplit(endpoint.url)
    host, is_tls = (parts.hostname or "").encode("idna").decode(), parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    proxy = _proxy_of(endpoint, host, port, "https" if is_tls else "http")
    if proxy is not None and has_key and not is_tls:
        seen = f"{proxy} sees the key of {endpoint.host}: `url` starts with http://"
        if endpoint.proxy is None:
            raise ConfigError(
                seen.replace(" sees ", " would see "),
                hint=f"use https://, add `{host}` to `no_proxy`, or name the proxy in `endpoint.proxy` if it may",
            )
        warn(seen)
    path = quote(f"{parts.path}/chat/completions", safe="/%:@!$&'()*+,;=~-._")
    return Route(host, port, path, is_tls, proxy)


def _proxy_of(endpoint: EndpointConfig, host: str, port: int, scheme: str) -> Proxy | None:
    if endpoint.proxy is not None:
        return _read_proxy(endpoint.proxy, "endpoint.proxy")
    if is_this_machine(host) or proxy_bypass(f"{host}:{port}"):
        return None
    named = getproxies()
    found = next((kind for kind in (scheme, "all") if named.get(kind)), None)
    return None if found is None else _read_proxy(named[found], _variable(f"{found}_proxy"))


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine, which no proxy can reach for us.

    Args:
        host: a name or an address, without brackets.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _variable(name: str) -> str:
    return name if name in os.environ or name.upper() not in os.environ else name.upper()


def _read_proxy(address: str, source: str) -> Proxy:
    """What an address says; nothing of it is repeated, since it may hold a password."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port or 80
    except ValueError as error:
        raise ConfigError(f"`{source}` is no address of a proxy", hint=_HINT) from error
    if parts.scheme != "http" or not host:
        raise ConfigError(f"`{source}` names no proxy that speaks plain HTTP", hint=_HINT)
    authorization = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(user.encode()).decode()}"
    return Proxy(host, port, source, authorization)
