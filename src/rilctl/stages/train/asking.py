"""Rollouts on several ranks: who asks, and for whom."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, RolloutEngine
from rilctl.engines.generation.vllm.rollouts import VllmRollouts, WeightsLostError
from rilctl.engines.generation.vllm.state import ServerState
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import EngineError
from rilctl.stages.train.sampled import Answers, SampledSteps

_MAX_ROUNDS = 8
"""The responses of a step outlive so many restarts of a server."""


@dataclass
class RolloutAsker:
    """The rollout engine of each rank, which answers that rank's share of the questions.

    Hugging Face samples in every process, from the weights that are trained there; vLLM from a copy of its own.

    Args:
        engine: what samples.
        stored: what it said in steps that were not learned from before a kill.
        ranks: this process among the others.
        whole: see `Sharding.whole`, of the policy.
    """

    engine: RolloutEngine
    stored: SampledSteps
    ranks: Ranks
    whole: Callable[[], AbstractContextManager[None]]

    def rollouts(
        self, step: int, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> tuple[Answers, dict[str, float]]:
        """Answers to this rank's questions of a step, and what the engine measured. Collective.

        Args:
            step: counted from 1; the weights are those of `step - 1`.
            requests: this rank's questions.
            sampling: how they are answered.
        """
        with self.whole(), self.ranks.together():
            found = self.stored.find(step, requests, sampling)
            if found is not None:
                return found, {}
            metrics = self.engine.update(step - 1)
            answers = self.engine.generate(requests, sampling)
            self.stored.keep(step, requests, sampling, answers)
            return answers, metrics

    def greedy(self, step: int, requests: Sequence[GenerationRequest], max_new_tokens: int) -> Answers:
        """Answers of the weights after `step` to this rank's questions, greedy decoding. Collective."""
        with self.whole(), self.ranks.together():
            self.engine.update(step)
            return self.engine.generate(requests, _greedy(max_new_tokens))


@dataclass
class SharedRolloutAsker(RolloutAsker):
    """One copy of the weights, on a vLLM server, for all ranks: rank 0 sends and proves it, each asks for its share.

    All must be there when weights are sent, as the policy may be divided over them. So ranks ask in rounds: a server
    that goes away ends the round of all, rank 0 waits for it, sends the weights and proves them, and what is missing is
    asked for in the next one.
    """

    engine: VllmRollouts

    def rollouts(
        self, step: int, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> tuple[Answers, dict[str, float]]:
        """See `RolloutAsker`."""
        found = self.stored.find(step, requests, sampling)
        if not any(self.ranks.gather(found is None)):
            return found or [], {}
        if found is not None:
            return found, self._ask(step - 1, [], sampling)[1]
        keep = partial(self.stored.keep, step, requests, sampling)
        return self._ask(step - 1, requests, sampling, keep)

    def greedy(self, step: int, requests: Sequence[GenerationRequest], max_new_tokens: int) -> Answers:
        """See `RolloutAsker`."""
        return self._ask(step, requests, _greedy(max_new_tokens))[0]

    def _ask(
        self,
        version: int,
        own: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        keep: Callable[[Answers], object] = lambda answers: None,
    ) -> tuple[Answers, dict[str, float]]:
        """This rank's answers by the weights after so many steps, and what rank 0 measured when it sent them.

        Args:
            version: so many steps.
            own: what this rank asks.
            sampling: how it is answered.
            keep: told the answers as soon as all have come.
        """
        metrics: dict[str, float] = {}
        answers: Answers | None = None
        for _ in range(_MAX_ROUNDS):
            metrics = self._send(version)
            with self.ranks.together():
                if answers is None:
                    answers = self._round(own, sampling)
                    if answers is not None:
                        keep(answers)
            if all(self.ranks.gather(answers is not None)):
                return answers or [], metrics
        raise EngineError(
            f"vLLM goes away again and again: responses are missing after {_MAX_ROUNDS} rounds",
            hint="look at its log; the same command goes on",
        )

    def _send(self, version: int) -> dict[str, float]:
        metrics: dict[str, float] = {}
        with self.whole(), self.ranks.together():
            if self.ranks.is_main:
                metrics = self.engine.update(version)
        state = self.ranks.gather(asdict(self.engine.state) if self.engine.state else {})[0]
        if not self.ranks.is_main:
            self.engine.follow(ServerState(**state))
        return self.ranks.gather(metrics)[0]

    def _round(self, own: Sequence[GenerationRequest], sampling: SamplingConfig) -> Answers | None:
        """None: the server went away before everything had come; the rest is asked for in another round."""
        try:
            return self.engine.generate(own, sampling)
        except WeightsLostError:
            return None


def open_asker(
    engine: RolloutEngine, stored: SampledSteps, ranks: Ranks, whole: Callable[[], AbstractContextManager[None]]
) -> RolloutAsker:
    """What asks the engine; see `RolloutAsker` for the arguments."""
    if ranks.size > 1 and isinstance(engine, VllmRollouts):
        return SharedRolloutAsker(engine, stored, ranks, whole)
    return RolloutAsker(engine, stored, ranks, whole)


def _greedy(max_new_tokens: int) -> SamplingConfig:
    return SamplingConfig(max_new_tokens=max_new_tokens, temperature=0.0)
