"""Responses on their way to vLLM: in the order of their requests, read when their turn comes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.engines.generation.base import Ahead, GenerationRequest
from rilctl.engines.generation.vllm.backend import Ask
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt

_AHEAD = 32
"""Requests that are known before their turn, so that their pictures can be read meanwhile."""


@dataclass(frozen=True)
class Row:
    """A response to be.

    Args:
        key: index of its request and of its seed.
        prompt: as we read it.
        ask: what vLLM is asked.
    """

    key: tuple[int, int]
    prompt: EncodedPrompt
    ask: Ask


class Rows:
    """Those of some requests.

    Args:
        reader: reads the requests.
        requests: see `Ahead`.
        room_tokens: longest prompt that leaves room for the response.
    """

    def __init__(self, reader: Reader, requests: Ahead, room_tokens: int) -> None:
        self._reader, self._requests, self._room_tokens = reader, iter(requests), room_tokens
        self._known: deque[GenerationRequest] = deque()
        self._rows: deque[Row] = deque()
        self._errors: dict[tuple[int, int], RowError] = {}
        self._num_read, self._has_all = 0, False

    @property
    def is_over(self) -> bool:
        """Whether none is left."""
        self._learn()
        return self._has_all and not self._known and not self._rows

    def following(self) -> Row | None:
        """The next one; None: there is none at present."""
        while not self._rows:
            self._learn()
            if not self._known:
                return None
            request, index = self._known.popleft(), self._num_read
            self._num_read += 1
            try:
                prompt, asks = self._reader.asks(request, self._room_tokens)
            except RowError as error:
                self._errors |= {(index, number): error for number in range(len(request.seeds))}
                continue
            self._rows.extend(Row((index, number), prompt, ask) for number, ask in enumerate(asks))
        return self._rows.popleft()

    def again(self, rows: Sequence[Row]) -> None:
        """Have these come next: they were lost."""
        self._rows.extendleft(reversed(rows))

    def take_errors(self) -> dict[tuple[int, int], RowError]:
        """Why some rows will never come, once."""
        errors, self._errors = self._errors, {}
        return errors

    def _learn(self) -> None:
        """Take requests as far ahead as is worth while."""
        while not self._has_all and len(self._known) < _AHEAD:
            try:
                request = next(self._requests)
            except StopIteration:
                self._has_all = True
                return
            if request is None:
                return
            self._reader.prompts.expect([request.conversation])
            self._known.append(request)
