"""How long the prompts of a data set will be."""

from collections.abc import Sequence

from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.encode import chat_text
from rilctl.models.prompts.lengths import PromptSize, prompt_size, with_pictures

_AT_ONCE = 1000
"""Questions whose tokens are in memory together."""


def prompt_sizes(encoder: Encoder, samples: Sequence[Sample]) -> list[PromptSize | None]:
    """Tokens of each question with its pictures; None where the row can't be asked, or the rule isn't known."""
    sizes: list[PromptSize | None] = []
    for start in range(0, len(samples), _AT_ONCE):
        some = samples[start : start + _AT_ONCE]
        texts = [_text(encoder, sample.conversation) for sample in some]
        encoded = encoder.tokenizer([text or "" for text in texts], add_special_tokens=False)["input_ids"]
        sizes += [
            None if text is None else prompt_size(encoder, sample.images, len(ids))
            for text, sample, ids in zip(texts, some, encoded, strict=True)
        ]
    return sizes


def _text(encoder: Encoder, conversation: Conversation) -> str | None:
    try:
        return with_pictures(encoder, chat_text(encoder, conversation), conversation.images)
    except RowError:
        return None
