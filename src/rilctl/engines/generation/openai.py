"""Generation by a model behind an OpenAI-compatible endpoint: texts without token ids, one request for each seed."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rilctl.config.endpoints import EndpointConfig
from rilctl.config.fields import SamplingConfig
from rilctl.engines.endpoints.client import ChatClient
from rilctl.engines.endpoints.ledger import Ledger
from rilctl.engines.endpoints.messages import Body, chat_body
from rilctl.engines.endpoints.replies import Reply
from rilctl.engines.endpoints.secrets import read_key
from rilctl.engines.generation.base import TURNS, Ahead, Came, GenerationRequest, Response, collected
from rilctl.errors import RowError


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
        self.rows_at_once = TURNS * client.endpoint.max_concurrency
        self._model, self._client = model, client

    @property
    def ledger(self) -> Ledger:
        """What was asked, and what the endpoint counted."""
        return self._client.ledger

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`."""
        return collected(self.answers(requests, sampling, check_stop=lambda: None), requests)

    def answers(self, requests: Ahead, sampling: SamplingConfig, *, check_stop: Callable[[], object]) -> Iterator[Came]:
        """See `OneByOneEngine`. Raises as `ChatClient.ask_each` does."""
        asked: dict[int, tuple[int, int]] = {}
        for replies in self._client.ask_each(self._bodies(requests, sampling, asked), check_stop):
            yield {asked.pop(number): _answer(reply) for number, reply in replies.items()}

    def _bodies(
        self, requests: Ahead, sampling: SamplingConfig, asked: dict[int, tuple[int, int]]
    ) -> Iterator[Callable[[], Body] | None]:
        """What makes each body; notes whose it is."""
        num_requests = num_asked = 0
        for request in requests:
            if request is None:
                yield None
                continue
            for number, seed in enumerate(request.seeds):
                asked[num_asked] = num_requests, number
                num_asked += 1
                yield partial(
                    chat_body,
                    self._model,
                    request.conversation,
                    sampling,
                    seed=seed,
                    endpoint=self._client.endpoint,
                )
            num_requests += 1

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._client.close()


def _answer(reply: Reply | RowError) -> Response | RowError:
    if isinstance(reply, RowError):
        return reply
    return Response(reply.text, None, reply.finish_reason, None, usage=reply.usage)


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
