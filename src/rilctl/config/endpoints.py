"""`endpoint = { … }`: a model that answers over HTTP, in the form of OpenAI's chat completions."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from rilctl.config.fields import EXECUTION, Address, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from rilctl.schemas.base import StrictModel

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_KEY = re.compile(r"[\w-]{20,}(\.[\w-]{10,})*")
"""What keys look like, the three parts of a token included; nobody names a file so."""


class EndpointConfig(StrictModel):
    """Where a model answers, who we are there, and how much is asked at once.

    The address is an execution field: the same model may move. What answers under a name is the endpoint's word.
    """

    url: Annotated[Address, EXECUTION]
    """Base address, without `/chat/completions`: `https://api.openai.com/v1`, `http://localhost:8000/v1`."""
    key_env: Annotated[str | None, EXECUTION] = None
    """Environment variable that holds the key; absent, and no `key_file`: no key is sent."""
    key_file: Annotated[str | None, EXECUTION] = None
    """File that holds the key and nothing else."""
    proxy: Annotated[Address | None, EXECUTION] = None
    """Proxy that requests go through: `http://proxy:3128`. Absent: the one that `http_proxy`, `https_proxy` or
    `all_proxy` names, unless `no_proxy` lists the host or it is this machine."""
    max_concurrency: Annotated[PositiveInt, EXECUTION] = 16
    """Questions under way at once, of all processes of a run together."""
    connect_timeout_s: Annotated[PositiveFloat, EXECUTION] = 10.0
    """Longest wait for a connection."""
    start_timeout_s: Annotated[PositiveFloat, EXECUTION] = 1800.0
    """Longest wait for a server that is starting, or gone."""
    timeout_s: Annotated[PositiveFloat, EXECUTION] = 120.0
    """Longest wait for one whole answer."""
    deadline_s: Annotated[PositiveFloat, EXECUTION] = 600.0
    """Longest wait for one question, all attempts and pauses included."""
    max_retries: Annotated[NonNegativeInt, EXECUTION] = 5
    """Attempts after the first one: after silence, 429, 5xx, or half a reply."""
    max_failures_in_row: Annotated[PositiveInt, EXECUTION] = 8
    """So many questions in a row without a usable answer, whatever the reason, and the command ends."""
    input_price: Annotated[NonNegativeFloat | None, EXECUTION] = None
    """Price of a million input tokens, for the account of costs; absent: tokens are counted, costs are not."""
    output_price: Annotated[NonNegativeFloat | None, EXECUTION] = None
    """Price of a million output tokens, in the same currency."""
    budget_key: Annotated[Literal["max_tokens", "max_completion_tokens"], EXECUTION] = "max_tokens"
    """How requests name the token budget. A refusal of the first in favour of the second is understood by itself,
    except in batch files."""
    omit: tuple[str, ...] = ()
    """Keys that are left out of requests: some models refuse `temperature`, `top_p` or `seed`."""
    extra_body: dict[str, Any] = {}
    """Keys that are added to requests, such as `reasoning_effort`."""

    @field_validator("url")
    @classmethod
    def _base_address(cls, url: str) -> str:
        if url.endswith("/chat/completions"):
            raise ValueError("expected the base address; `/chat/completions` is added")
        return url

    @field_validator("key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.fullmatch(name):  # not repeated: it may be the key
            raise ValueError(
                "expected the name of an environment variable, in capitals such as `OPENAI_API_KEY`; "
                "the key itself is never written here"
            )
        return name

    @field_validator("key_file")
    @classmethod
    def _names_a_file(cls, path: str | None) -> str | None:
        if path is not None and _KEY.fullmatch(path) and any(character.isdigit() for character in path):
            raise ValueError("expected the path of a file; this looks like a key itself (write `./…` if it is a path)")
        return path

    @model_validator(mode="after")
    def _one_key(self) -> "EndpointConfig":
        if self.key_env is not None and self.key_file is not None:
            raise ValueError("set key_env or key_file, not both")
        return self

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc
