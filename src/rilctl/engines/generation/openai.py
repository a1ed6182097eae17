"""Generation by a model behind an OpenAI-compatible endpoint: texts without token ids, one request for each seed."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.endpoints.messages import chat_body
from rilctl.engines.endpoints.replies import Reply
from rilctl.engines.endpoints.secrets import read_key
from rilctl.engines.generation.base import GenerationRequest, Keep, Response
from rilctl.errors import RowError

_CALLS_PER_TURN = 8
"""Questions for each place of `max_concurrency`: the slowest answer of a chunk leaves the other places empty."""


class OpenAiGeneration:
    """A `OneByOneEngine` over an endpoint.

    A seed is sent with each request; whether it is honoured is the endpoint's business. The bans on special tokens are
    as well: what comes back is text, and is tokenised as text.

    Args:
        model: the model's name at the endpoint.
        client: asks.
    """

    def __init__(self, model: str, client: ChatClient) -> None:
        self.model_name = f"{model} at {client.endpoint.host}"
        self.model_digest = endpoint_model_digest(model, client.endpoint)
        self.rows_at_once = _CALLS_PER_TURN * client.endpoint.max_concurrency
        self._model, self._client = model, client

    @property
    def ledger(self) -> Ledger:
        """What was asked, and what the endpoint counted."""
        return self._client.ledger

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        found: dict[tuple[int, int], Response] = {}

        errors = self.generate_each(requests, sampling, keep=found.update, check_stop=lambda: None)
        return [
            error or tuple(found[index, seed] for seed in range(len(request.seeds)))
            for index, (request, error) in enumerate(zip(requests, errors, strict=True))
        ]

    def generate_each(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        *,
        keep: Keep,
        check_stop: Callable[[], object],
    ) -> list[RowError | None]:
        """See `OneByOneEngine`. Raises as `ChatClient.ask_each` does."""
        asked = [(request, seed) for request, each in enumerate(requests) for seed in range(len(each.seeds))]
        errors: list[RowError | None] = [None] * len(requests)

        def on_replies(replies: Mapping[int, Reply | RowError]) -> None:
            came: dict[tuple[int, int], Response] = {}
            for index, reply in replies.items():
                request, seed = asked[index]
                if isinstance(reply, RowError):
                    errors[request] = errors[request] or reply
                else:
                    came[request, seed] = Response(reply.text, None, reply.finish_reason, None, usage=reply.usage)
            if came:
                keep(came)

        bodies = [
            partial(
                chat_body,
                self._model,
                requests[request].conversation,
                sampling,
                seed=requests[request].seeds[seed],
                endpoint=self._client.endpoint,
            )
            for request, seed in asked
        ]
        self._client.ask_each(bodies, on_replies, check_stop)
        return errors

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._client.close()


def open_endpoint(
    model: str,
    endpoint: EndpointConfig,
    base_dir: Path,
    *,
    role: str = "the model",
    warn: Callable[[str], object] = warnings.warn,
    check_stop: Callable[[], object] = lambda: None,
) -> OpenAiGeneration:
    """An engine over a model behind an endpoint; nothing is asked yet.

    Args:
        model: its name there.
        endpoint: where, and how patiently.
        base_dir: folder that relative paths start from.
        role: what answers there, as a person reads it: `the judge`.
        warn: told that the endpoint is waited for.
        check_stop: called while it is waited for; may raise to stop.

    Raises:
        CredentialError: the key that the recipe names isn't there.
    """
    key = read_key(endpoint, base_dir)
    return OpenAiGeneration(model, ChatClient(endpoint, key, role=role, warn=warn, check_stop=check_stop))


def endpoint_model_digest(model: str, endpoint: EndpointConfig) -> str:
    """What identifies answers of an endpoint: the model's name and the changes to requests; weights can't be seen."""
    identity = {"endpoint_model": model, "omit": sorted(endpoint.omit), "extra_body": endpoint.extra_body}
    return f"endpoint:{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()}"
