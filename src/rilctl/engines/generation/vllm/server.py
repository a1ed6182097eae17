"""vLLM behind a server: tokens in, tokens out, weights through vLLM's own routes.

Its `/inference/v1/generate` takes the prompt's token ids, pictures and vLLM's own sampling parameters, and gives token
ids, log-probabilities and the name of the weights that sampled each. The chat route would write the prompt anew from
text, and cuts bans to a bias of -100.

Responses to one question share its pictures. These travel once: a request for one token brings them into vLLM's cache
of processed pictures, and the responses name them. What that cache has lost is sent again.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

from rilctl.config.engines import VllmServerEngineConfig
from rilctl.engines.endpoints.places import Places, numbered
from rilctl.engines.generation.vllm.backend import WITNESS, Answer, Ask, Generated
from rilctl.engines.generation.vllm.http import RefusedError, ServerHttp
from rilctl.engines.generation.vllm.state import Boot, read_boot
from rilctl.engines.generation.vllm.transfer import Transfer
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.weights import Weights
from rilctl.private.vllm import lacks_method

_ROW_IS_TO_BLAME = (400, 413, 422)
"""HTTP statuses of a question that the server can't take; others are about the server."""
_BOOT_TIMEOUT_S = 60.0
"""Workers that don't say who they are by then are stuck: they may wait for a trainer that is gone."""


class VllmServer:
    """A `Backend`.

    Args:
        engine: the recipe's table.
        http: the server.
        transfer: sends weights; None: they stay as they are.
    """

    def __init__(self, engine: VllmServerEngineConfig, http: ServerHttp, transfer: Transfer | None) -> None:
        self.url, self._http, self._transfer = engine.url, http, transfer
        self._load_timeout_s = max(engine.timeout_s, engine.start_timeout_s)
        self._is_closed, self._most_places = False, engine.rows_per_batch
        try:
            http.wait()
            (model,) = http.get("/v1/models")["data"][:1]
        except BaseException:
            self.close()
            raise
        self.max_length_tokens = int(model["max_model_len"])

    def wait(self) -> None:
        """See `Backend`."""
        self._http.wait()

    def stream(
        self, asks: Iterable[Ask | None], params: Mapping[str, Any], num_places: int
    ) -> Iterator[Mapping[int, Answer]]:
        """See `Backend`. Raises `CancelledError` where another thread closes it meanwhile."""
        ahead, pictures = numbered(asks), _Pictures()
        with Places[Answer](min(num_places, self._most_places)) as places:
            while places.fill(ahead, lambda ask: self._answer(ask, params, pictures)):
                came, reason = places.come()
                if reason is not None:
                    raise reason
                if self._is_closed:
                    raise CancelledError
                yield came

    def boot(self) -> Boot:
        """See `Backend`."""
        return read_boot(self._workers("rilctl_boot", _BOOT_TIMEOUT_S))

    def load(self, weights: Callable[[], Weights], boot: Boot) -> None:
        """See `Backend`."""
        assert self._transfer is not None
        self._transfer.send(weights, boot)
        self._forget()

    def restore(self) -> None:
        """Load what the server was started with, and forget what was computed with anything else.

        Raises:
            ConnectionError: it went away.
        """
        self._workers("rilctl_restore", self._load_timeout_s)
        self._forget()

    def name(self, version: str) -> None:
        """See `Backend`."""
        self._http.post("/update_weight_version", {"new_version": version})

    def version(self) -> str:
        """See `Backend`."""
        return str(self._http.get("/weight_info")["weight_version"])

    def workers(self, method: str) -> list[dict[str, Any]]:
        """See `Backend`."""
        return self._workers(method)

    def rest(self) -> None:
        """See `Backend`: its GPUs are its own."""

    def close(self) -> None:
        """See `Backend`: the server runs on."""
        self._is_closed = True
        if self._transfer is not None:
            self._transfer.close()
        self._http.close()

    def _forget(self) -> None:
        for cache in ("prefix", "mm", "encoder"):
            self._http.post(f"/reset_{cache}_cache")

    def _workers(self, method: str, timeout_s: float | None = None) -> list[dict[str, Any]]:
        try:
            reply = self._http.post("/collective_rpc", {"method": method}, timeout_s=timeout_s)
        except ConnectionError as error:
            if lacks_method(str(error), method):
                raise EngineError(
                    f"the vLLM server at {self._http.url} can't say which weights it holds",
                    hint=f"start it with `--worker-extension-cls {WITNESS}`, see docs/vllm.md; "
                    "a teacher or a judge can be an `endpoint` instead",
                ) from error
            raise
        replies: list[dict[str, Any]] = reply["results"]
        return replies

    def _bring(self, ask: Ask) -> bool:
        """Send the pictures of a question for the responses that will name them; whether they arrived."""
        return isinstance(self._generate(ask, {"max_tokens": 1, "temperature": 0.0, "logprobs": 0}), Generated)

    def _answer(self, ask: Ask, params: Mapping[str, Any], pictures: "_Pictures") -> Answer:
        if ask.shares_pictures and pictures.are_there(ask, self._bring):
            answer = self._generate(ask, params, names_only=True)
            if isinstance(answer, Generated):
                return answer  # else the pictures may be lost: the cache is full, or another front end's
        return self._generate(ask, params)

    def _generate(self, ask: Ask, params: Mapping[str, Any], *, names_only: bool = False) -> Answer:
        body = {
            "token_ids": list(ask.token_ids),
            "content_parts": _content_parts(ask, names_only=names_only),
            "sampling_params": {**params, "seed": ask.seed},
            "return_token_ids": True,
        }
        try:
            reply = self._http.post("/inference/v1/generate", body)
        except ConnectionError:
            return None
        except RefusedError as error:
            if error.status in _ROW_IS_TO_BLAME:
                return RowError("request-refused", error.message)
            raise
        try:
            return _read(reply)
        except (LookupError, TypeError, ValueError) as error:
            raise EngineError(
                f"the vLLM server's reply can't be read: {type(error).__name__}: {error}",
                hint="this version of rilctl reads vLLM 0.32's replies",
            ) from error


class _Pictures:
    """Those that were sent, for the responses that name them; threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[tuple[str, ...], Future[bool]] = {}

    def are_there(self, ask: Ask, bring: Callable[[Ask], bool]) -> bool:
        """Whether the ask's pictures arrived; who asks first brings them, and the others wait."""
        names = ask.key[1]
        with self._lock:
            is_first = names not in self._sent
            sent = self._sent.setdefault(names, Future())
        if is_first:
            try:
                sent.set_result(bring(ask))
            except BaseException as error:
                sent.set_exception(error)
        return sent.result()


def _content_parts(ask: Ask, *, names_only: bool) -> list[dict[str, str | None]] | None:
    """A picture without a URL is the one of that name, which vLLM has seen before, or else refuses."""
    return [
        {"type": "image_url", "url": None if names_only else picture.encoded.data_url, "uuid": picture.name}
        for picture in ask.pictures
    ] or None


def _read(reply: Any) -> Generated | None:
    (choice,) = reply["choices"]
    if choice["finish_reason"] not in ("stop", "length"):
        return None  # aborted: the server is going down
    return Generated(
        reply["prompt_token_ids"],
        tuple(choice["token_ids"]),
        tuple(float(token["logprob"]) for token in choice["logprobs"]["content"]),
        choice["finish_reason"] == "stop",
        frozenset(span["version"] for span in choice["weight_versions"]),
    )
