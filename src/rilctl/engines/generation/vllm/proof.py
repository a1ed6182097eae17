"""That vLLM samples from the policy: names of weights, checksums, log-probabilities, pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from rilctl.config.fields import Dtype, SamplingConfig
from rilctl.engines.generation.vllm.backend import Backend, Generated, answers_of, sampling_params
from rilctl.engines.generation.vllm.compared import Compared, compare
from rilctl.engines.generation.vllm.pixels import check_pixels
from rilctl.engines.generation.vllm.probes import NUM_PROBES, NUM_TOKENS, TEMPERATURE, Probe, make_probes, picture_probe
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.spread import Bound, calibrated, error_of
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.vlm import Vlm

CALIBRATION_LOOKS = 8
SECOND_LOOKS = 3
"""At fresh probes, before a suspicion ends a run."""
_HINT = "restart vLLM; the same command goes on from the last checkpoint"


class _WentAwayError(Exception):
    """VLLM has no answer."""


@dataclass
class Proof:
    """Asks vLLM what it can't answer with other weights.

    Args:
        backend: what is asked.
        policy: what it should sample from.
        reader: how prompts are made.
        dtype: of vLLM's weights.
        max_logprob_error: the recipe's bound on the mean difference of log-probabilities, in nats; None: in float32 a
            fixed one, otherwise from what this engine differs by at the first proof, when checksums have agreed.
    """

    backend: Backend
    policy: Vlm
    reader: Reader
    dtype: Dtype
    max_logprob_error: float | None = None
    _readable: frozenset[str] | None = field(default=None, init=False)
    """Weights whose checksum, read back from the model, was among ours at the first proof."""
    _pixels_are_ours: bool = field(default=False, init=False)
    _bound: Bound | None = field(default=None, init=False)
    _looks_taken: int = field(default=0, init=False)

    def check(self, version: str, sent: Mapping[str, str]) -> dict[str, float] | None:
        """Prove an update.

        Args:
            version: name of the weights that were sent.
            sent: checksum of each, by its name in a checkpoint.

        Returns:
            What was measured; None where vLLM went away meanwhile.

        Raises:
            EngineError: it samples from something else.
        """
        found = self.backend.version()
        if found != version:
            raise EngineError(f"vLLM has the weights `{found}`, not `{version}`", hint=_HINT)
        for received in self.backend.workers("rilctl_received"):
            if received != sent:
                names = sorted(name for name in sent.keys() | received.keys() if sent.get(name) != received.get(name))
                raise EngineError(f"vLLM's loader took other weights: {names[0]} and {len(names) - 1} more", hint=_HINT)
        num_read_back = self._check_resident(set(sent.values()))
        try:
            measured = self._check_logprobs()
        except _WentAwayError:
            return None
        return measured | {"sync/num_tensors": float(len(sent)), "sync/num_read_back": float(num_read_back)}

    def _check_resident(self, ours: set[str]) -> int:
        """Checksums of what lies in the model, of weights that could be read back before. Their number."""
        readable: set[str] = set()
        for worker, resident in enumerate(self.backend.workers("rilctl_resident")):
            for name, parts in resident.items():
                if ours.issuperset(parts):
                    readable.add(f"{worker}:{name}")
        if self._readable is None:
            self._readable = frozenset(readable)
        stale = sorted(self._readable - readable)
        if stale:
            raise EngineError(f"vLLM kept old weights: {stale[0]} and {len(stale) - 1} more", hint=_HINT)
        return len(readable)

    def _check_logprobs(self) -> dict[str, float]:
        """What they differ by, and may. Raises `EngineError` where a second look, at fresh probes, finds too much."""
        if self._bound is None:
            answers, self._bound = self._first_look()
        else:
            answers = self._look()
        _check_mode(answers)
        num_looks = 1
        if not error_of(answers) <= self._bound.of(answers):
            answers = self._looks(SECOND_LOOKS)
            num_looks = 2
        error, allowed = error_of(answers), self._bound.of(answers)
        if not error <= allowed:
            raise EngineError(
                f"vLLM's log-probabilities differ from the policy's by {error:.2g} nats on average, again with "
                f"{len(answers)} fresh probes; {allowed:.2g} is allowed",
                hint=f"{_HINT}; docs/vllm.md says where the bound comes from, and when to set `max_logprob_error`",
            )
        return {
            "sync/logprob_error": error,
            "sync/max_logprob_error": allowed,
            "sync/num_looks": float(num_looks),
        }

    def _first_look(self) -> tuple[list[Compared], Bound]:
        """Answers, and what is allowed from now on."""
        if self.max_logprob_error is not None:
            return self._look(), Bound(self.max_logprob_error)
        if self.dtype == "float32":
            return self._look(), Bound()
        answers = self._looks(CALIBRATION_LOOKS)
        return answers, calibrated(answers, NUM_PROBES)

    def _looks(self, num: int) -> list[Compared]:
        return [each for _ in range(num) for each in self._look()]

    def _look(self) -> list[Compared]:
        """Fresh probes, answered by vLLM and computed again."""
        if not self._pixels_are_ours:
            probe = picture_probe(self.reader)
            self._ask([probe])  # alone, so that the last pictures that vLLM saw are this one
            check_pixels(self.backend, self.reader, probe.prompt)
            self._pixels_are_ours = True
        probes = make_probes(self.reader, self._looks_taken, self.backend.max_length_tokens - NUM_TOKENS)
        self._looks_taken += 1
        answers = self._ask(probes)
        return compare(
            self.policy,
            [probe.prompt for probe in probes],
            [(answer.token_ids, answer.logprobs) for answer in answers],
            temperature=TEMPERATURE,
            banned_ids=self._banned_ids,
        )

    def _ask(self, probes: Sequence[Probe]) -> list[Generated]:
        """Raises `_WentAwayError`; `EngineError` where vLLM refuses, or reads other prompts than ours."""
        sampling = SamplingConfig(max_new_tokens=NUM_TOKENS, temperature=TEMPERATURE)
        params = sampling_params(sampling, (), self._banned_ids)
        answers = []
        asks = [probe.ask for probe in probes]
        for probe, answer in zip(probes, answers_of(self.backend, asks, params), strict=True):
            if answer is None:
                raise _WentAwayError
            if isinstance(answer, RowError):
                raise EngineError(f"vLLM refuses the proof's question: {answer.message}", hint=_HINT)
            self.reader.check_prompt(probe.prompt, answer)
            banned = set(self._banned_ids).intersection(answer.token_ids)
            if banned:
                raise EngineError(f"vLLM samples token {min(banned)}, which is banned", hint=_HINT)
            answers.append(answer)
        return answers

    @property
    def _banned_ids(self) -> tuple[int, ...]:
        return (*self.reader.banned_ids, *self.reader.stop_ids)


def _check_mode(answers: Sequence[Compared]) -> None:
    """Raise `EngineError` where log-probabilities are plainly those from before temperature and bans."""
    raw = float(torch.cat([each.raw_differences_R for each in answers]).abs().mean())
    if raw < error_of(answers) / 2:
        raise EngineError(
            "vLLM's log-probabilities are from before temperature and bans",
            hint="start the server with `--logprobs-mode processed_logprobs`; see docs/vllm.md",
        )
