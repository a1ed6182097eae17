"""Rollouts on several ranks: who asks, and for whom."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, RolloutEngine
from rilctl.engines.training.ranks import Ranks
from rilctl.stages.ril.sampled import Answer, Answers, SampledSteps, keep, restore

Ask = Callable[[Sequence[GenerationRequest]], tuple[Answers, dict[str, float]]]


@dataclass
class RolloutAsker:
    """The rollout engine, for all ranks.

    Hugging Face samples in every process, from the weights that are trained there. Any other engine has a copy of the
    weights: rank 0 sends them, asks for everybody, and shares the answers.

    Args:
        engine: what samples.
        stored: what it said in steps that were not learned from before a kill.
        ranks: this process among the others.
        whole: see `Sharding.whole`, of the policy.
        in_every_process: whether each rank asks for itself.
    """

    engine: RolloutEngine
    stored: SampledSteps
    ranks: Ranks
    whole: Callable[[], AbstractContextManager[None]]
    in_every_process: bool

    def rollouts(
        self, step: int, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> tuple[Answers, dict[str, float]]:
        """Answers to this rank's share of a step's questions, and what the engine measured. Collective.

        Args:
            step: counted from 1; the weights are those of `step - 1`.
            requests: of all ranks.
            sampling: how they are answered.
        """
        return self._ask(requests, lambda asked: self.stored.ask(step, asked, sampling))

    def greedy(self, step: int, requests: Sequence[GenerationRequest], max_new_tokens: int) -> Answers:
        """Answers of the weights after `step` to this rank's share of the questions, greedy decoding. Collective."""
        sampling = SamplingConfig(max_new_tokens=max_new_tokens, temperature=0.0)

        def ask(asked: Sequence[GenerationRequest]) -> tuple[Answers, dict[str, float]]:
            self.engine.update(step)
            return self.engine.generate(asked, sampling), {}

        return self._ask(requests, ask)[0]

    def _ask(self, requests: Sequence[GenerationRequest], ask: Ask) -> tuple[Answers, dict[str, float]]:
        answers: Answers = []
        metrics: dict[str, float] = {}
        with self.whole(), self.ranks.together():
            if self.in_every_process:
                return ask(self.ranks.share(requests))
            if self.ranks.is_main:
                answers, metrics = ask(requests)
        if self.ranks.size == 1:
            return answers, metrics
        shared = self.ranks.gather_lists([keep(answer).model_dump_json() for answer in answers])
        own = self.ranks.share([restore(Answer.model_validate_json(row)) for row in shared])
        return own, self.ranks.add_up(metrics)
