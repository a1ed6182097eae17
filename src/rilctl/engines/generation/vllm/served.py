"""A model that stays as it is, on a server whose weights others may replace: what it holds is proven first.

Answers go to the call cache under the digest of the model's files, so no other weights may have given them. After
`train`, a server still holds trained ones.
"""

from collections.abc import Callable, Mapping

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.vllm.backend import LOADING, Generated, answers_of, sampling_params
from rilctl.engines.generation.vllm.engine import VllmGeneration
from rilctl.engines.generation.vllm.pixels import check_pixels
from rilctl.engines.generation.vllm.probes import picture_probe
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.server import VllmServer
from rilctl.engines.generation.vllm.state import ServerState, check_boot, digest_of
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.source import ModelSource


class ServedModel(VllmGeneration[VllmServer]):
    """A `GenerationEngine` over a server.

    Args:
        start: gives the server and what reads for it.
        source: the model's files.
        dtype: in which the model is asked for.
        is_quantized: whether its files are.
        checksums: of each weight in its files, by name; asked for once.
        model_digest: identity of the model, in the call cache's key.
        num_places: responses under way at once.
        warn: told that the server loads its weights again.
    """

    def __init__(
        self,
        start: Callable[[], tuple[VllmServer, Reader]],
        *,
        source: ModelSource,
        dtype: str,
        is_quantized: bool,
        checksums: Callable[[], Mapping[str, str]],
        model_digest: str,
        num_places: int,
        warn: Callable[[str], object],
    ) -> None:
        super().__init__(start, model_name=source.name, model_digest=model_digest, num_places=num_places)
        self._source, self._dtype, self._is_quantized = source, dtype, is_quantized
        self._checksums, self._warn = checksums, warn
        self._expected: Mapping[str, str] | None = None
        self._state: ServerState | None = None

    def _begin(self) -> None:
        """See `VllmGeneration`: what answers is proven first."""
        if self._state is None:
            self._state = self._insist(self._prove)

    def _is_current(self, answer: Generated) -> bool:
        return self._state is not None and answer.versions == {self._state.version}

    def _revive(self) -> None:
        """A server that was started again is proven again; one whose weights another run replaced is left."""
        self._state = self._insist(self._prove)

    def _prove(self) -> ServerState | None:
        """What the server was proven to hold; None where it went away before it was."""
        server, _ = self.started()
        boot = server.boot()
        found = server.version()
        if self._state is not None and boot.identity == self._state.identity and found != self._state.version:
            raise EngineError(
                f"the weights of the vLLM server at {server.url} were replaced while it answered: now it has `{found}`",
                hint="another run updates them; give it a server of its own, and run the same command again",
            )
        check_boot(boot, self._dtype, is_quantized=self._is_quantized)
        if self._expected is None:
            self._expected = self._checksums()
        version = f"files-{digest_of(self._expected)}"
        is_proven = found == version and not self._differing(server)
        return ServerState(boot.identity, version) if is_proven or self._restore(server, version) else None

    def _restore(self, server: VllmServer, version: str) -> bool:
        """Have the server load what it was started with; False where it went away before it showed its pixels.

        Raises:
            EngineError: that is another model, or its image processor is another.
        """
        self._warn(
            f"the vLLM server at {server.url} loads its weights again, to prove that they are `{self.model_name}`"
        )
        server.name(LOADING)
        server.restore()
        if not self._shows_pixels(server):
            return False
        server.name(version)
        names = self._differing(server)  # after the name is given: who loads others later gives another
        if names:
            server.name(LOADING)
            raise EngineError(
                f"the vLLM server at {server.url} was started with other weights than `{self.model_name}`: "
                f"{names[0]} and {len(names) - 1} more",
                hint=f"start it with {self._source.path}, or a copy of it; see docs/vllm.md",
            )
        return True

    def _shows_pixels(self, server: VllmServer) -> bool:
        """Ask a question about a picture, now that vLLM remembers none. Raises `EngineError`."""
        _, reader = self.started()
        probe = picture_probe(reader)
        banned = (*reader.banned_ids, *reader.stop_ids)
        (answer,) = answers_of(server, [probe.ask], sampling_params(SamplingConfig(max_new_tokens=1), (), banned))
        if isinstance(answer, RowError):
            raise EngineError(
                f"the vLLM server at {server.url} refuses the proof's question: {answer.message}",
                hint="start it as docs/vllm.md says",
            )
        if answer is not None:
            reader.check_prompt(probe.prompt, answer)
            check_pixels(server, reader, probe.prompt)
        return answer is not None

    def _differing(self, server: VllmServer) -> list[str]:
        """Names of weights that a worker's loader was not given last as they are in the files."""
        expected = dict(self._expected or {})
        received = server.workers("rilctl_received")
        return sorted(
            {
                name
                for each in received
                for name in expected.keys() | each.keys()
                if each.get(name) != expected.get(name)
            }
        )
