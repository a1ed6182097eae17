"""A benchmark's questions beside other pictures than their own, so that one can see what the pictures are worth."""

from collections.abc import Sequence

from rilctl.config.fields import OtherPicture, SamplingConfig
from rilctl.data.swapped import beside
from rilctl.engines.generation.base import GenerationEngine, GenerationRequest, Response
from rilctl.errors import RowError

NO_OTHER = "no-other-picture"
"""Why a question isn't asked: it has no picture, or no question of its form has another one."""


def requests_beside(
    requests: Sequence[GenerationRequest], picture: OtherPicture, seed: int
) -> list[GenerationRequest | RowError]:
    """The same questions beside that picture; see `data.swapped.beside`.

    Args:
        requests: all that may lend each other pictures: a task's.
        picture: which.
        seed: of the swap.
    """
    others = beside([each.conversation for each in requests], picture, seed)
    return [
        RowError(NO_OTHER, f"`{request.sample_id}` has no picture, or no question of its form has another one")
        if other is None
        else GenerationRequest(request.sample_id, other, request.seeds)
        for request, other in zip(requests, others, strict=True)
    ]


class BesidePicture:
    """A `GenerationEngine` that puts every question to another one beside that picture.

    Args:
        engine: answers.
        picture: which.
        seed: of the swap.
    """

    def __init__(self, engine: GenerationEngine, picture: OtherPicture, seed: int) -> None:
        self.model_name, self.model_digest = engine.model_name, engine.model_digest
        self.rows_at_once = engine.rows_at_once
        self._engine, self._picture, self._seed = engine, picture, seed

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: SamplingConfig
    ) -> list[tuple[Response, ...] | RowError]:
        """See `GenerationEngine`; pictures are swapped among these requests."""
        asked = requests_beside(requests, self._picture, self._seed)
        answers = iter(self._engine.generate([each for each in asked if isinstance(each, GenerationRequest)], sampling))
        return [each if isinstance(each, RowError) else next(answers) for each in asked]

    def close(self) -> None:
        """See `GenerationEngine`."""
        self._engine.close()
