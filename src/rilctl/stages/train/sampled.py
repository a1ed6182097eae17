"""Answers of the rollout engine, stored before anything is learned from them: a resumed run asks nothing twice.

Unless it has learned something else since its checkpoint: a judge that turned bad leaves verdicts which count no more,
and then the answers of the weights that learned from them don't count either.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from rilctl.artifacts.layout import naming, write_atomic
from rilctl.artifacts.sealed_lines import read_sealed_lines, sealed_line
from rilctl.config.fields import SamplingConfig
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.schemas.base import StrictModel

Answers = list[tuple[Response, ...] | RowError]


class _Answer(StrictModel):
    """An engine's answer as it is kept."""

    responses: tuple[Response, ...] = ()
    """As the engine gave them."""
    reason: str | None = None
    """Why there are none."""
    message: str = ""
    """The same, for a person."""


class _Step(StrictModel):
    step: int
    asked: str
    """Identity of the questions, their seeds, the sampling, and what the weights had learned from."""
    answers: tuple[_Answer, ...]


class SampledSteps:
    """What an engine answered in steps that no checkpoint holds.

    Args:
        directory: the run's scratch directory.
        rank: of this process, which has a file of its own.
    """

    def __init__(self, directory: Path, *, rank: int = 0) -> None:
        self._path = directory / f"sampled-{rank:05d}.jsonl"
        self._stored: dict[int, _Step] = {}
        self.learned = ""
        """Digest of all that the weights have learned from, see `rewards_digest`."""

    def forget_to(self, step: int) -> None:
        """Drop what steps up to this one were answered: a checkpoint holds what was learned from it.

        Raises:
            ArtifactError: an answer isn't as it was stored.
        """
        values = read_sealed_lines(self._path) if self._path.exists() else ()
        steps = [_Step.model_validate_json(value) for value in values]
        self._stored = {each.step: each for each in steps if each.step > step}
        kept = "".join(sealed_line(each.model_dump_json()) for each in self._stored.values())
        write_atomic(self._path, kept.encode())

    def find(self, step: int, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> Answers | None:
        """The step's answers, if the engine gave them before the run was killed.

        Args:
            step: counted from 1.
            requests: its questions.
            sampling: how they are answered.
        """
        stored = self._stored.pop(step, None)
        if stored is None or stored.asked != self._identity(requests, sampling):
            return None
        return [_restore(answer) for answer in stored.answers]

    def keep(
        self, step: int, requests: Sequence[GenerationRequest], sampling: SamplingConfig, answers: Answers
    ) -> None:
        """Store the step's answers, before anything is learned from them."""
        kept = _Step(step=step, asked=self._identity(requests, sampling), answers=tuple(map(_keep, answers)))
        with naming(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(sealed_line(kept.model_dump_json()))

    def _identity(self, requests: Sequence[GenerationRequest], sampling: SamplingConfig) -> str:
        asked = [[request.sample_id, list(request.seeds)] for request in requests]
        return hashlib.sha256(json.dumps([asked, sampling.model_dump(mode="json"), self.learned]).encode()).hexdigest()


def rewards_digest(learned: str, ranks: Ranks, rewards: Sequence[float | None]) -> str:
    """What the weights have learned from, once they have learned from a step's rewards as well. Collective.

    Args:
        learned: the same before the step; empty before the first.
        ranks: whose groups together are the step.
        rewards: of this rank's rows, which count to three digits: a GPU doesn't repeat the rest.
    """
    own = [None if reward is None else round(reward, 3) for reward in rewards]
    step = ranks.gather(hashlib.sha256(json.dumps(own).encode()).hexdigest())
    return hashlib.sha256(json.dumps([learned, *step]).encode()).hexdigest()


def _keep(answer: tuple[Response, ...] | RowError) -> _Answer:
    if isinstance(answer, RowError):
        return _Answer(reason=answer.reason, message=answer.message)
    return _Answer(responses=answer)


def _restore(answer: _Answer) -> tuple[Response, ...] | RowError:
    if answer.reason is not None:
        return RowError(answer.reason, answer.message)
    return answer.responses
