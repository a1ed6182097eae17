"""Encoded prompts that are kept, and those that are made before they are needed."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from rilctl.data.conversation import Conversation, ConversationKey
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt, Encoder
from rilctl.models.prompts.ahead import PromptsAhead
from rilctl.models.prompts.encode import encode_prompt


class KeptPrompts:
    """Encoded prompts: a picture that is used again soon isn't processed again.

    Kept are prompts that somebody holds, prompts that are expected, and of others the most recent `max_bytes`.

    Args:
        encoder: a model, or what reads for it.
        num_workers: processes that encode what is expected; 0: everything is encoded when it is needed.
        max_bytes: kept; as much again for prompts that are expected.
        warn: told once if the processes were killed.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        num_workers: int = 0,
        max_bytes: int = 2**30,
        warn: Callable[[str], object] = warnings.warn,
    ) -> None:
        self._encoder = encoder
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._recent: OrderedDict[ConversationKey, EncodedPrompt] = OrderedDict()
        self._held: WeakValueDictionary[ConversationKey, EncodedPrompt] = WeakValueDictionary()
        self._expected: set[ConversationKey] = set()
        self._ahead = None
        if num_workers:
            self._ahead = PromptsAhead(encoder.source, num_workers, max_bytes=max_bytes, warn=warn)

    def __enter__(self) -> "KeptPrompts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def expect(self, conversations: Iterable[Conversation]) -> None:
        """Conversations in the order in which they will be asked for; each must be.

        Prompts without pictures take no time, so they are made when they are needed.
        """
        for conversation in conversations:
            try:
                key = conversation.key
            except RowError:
                continue  # `get` raises it
            if not conversation.images or key in self._expected:
                continue
            self._expected.add(key)
            prompt = self._held.get(key)
            if prompt is not None:
                self._keep(key, prompt)
            elif self._ahead is not None:
                self._ahead.ask(key, conversation)

    def get(self, conversation: Conversation) -> EncodedPrompt:
        """The encoded prompt. Raises `RowError` as `encode_prompt` does."""
        key = conversation.key
        self._expected.discard(key)
        prompt = self._held.get(key)
        if prompt is None and self._ahead is not None:
            prompt = self._ahead.take(key)
        if prompt is None:
            prompt = encode_prompt(self._encoder, conversation)
        self._keep(key, prompt)
        return prompt

    def close(self) -> None:
        """End the processes; `get` goes on without them."""
        if self._ahead is not None:
            self._ahead.close()

    def _keep(self, key: ConversationKey, prompt: EncodedPrompt) -> None:
        """The newest of the recent; the oldest that aren't expected make room."""
        if key not in self._recent:
            self._num_bytes += prompt.num_bytes
        self._held[key] = self._recent[key] = prompt
        self._recent.move_to_end(key)
        while self._num_bytes > self._max_bytes:
            oldest = next((each for each in self._recent if each not in self._expected), key)
            if oldest == key:
                break
            self._num_bytes -= self._recent.pop(oldest).num_bytes
