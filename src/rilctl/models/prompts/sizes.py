"""How long the prompts of a data set will be."""

from collections.abc import Sequence

from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.encode import chat_text
from rilctl.models.prompts.lengths import PromptSize, prompt_size, with_pictures


def prompt_sizes(encoder: Encoder, samples: Sequence[Sample]) -> list[PromptSize | None]:
    """Tokens of each question with its pictures; None where the row can't be asked, or the rule isn't known."""
    texts = [_text(encoder, sample.conversation) for sample in samples]
    encoded = encoder.tokenizer([text or "" for text in texts], add_special_tokens=False)["input_ids"] if texts else []
    return [
        None if text is None else prompt_size(encoder, sample.images, len(ids))
        for text, sample, ids in zip(texts, samples, encoded, strict=True)
    ]


def _text(encoder: Encoder, conversation: Conversation) -> str | None:
    try:
        return with_pictures(encoder, chat_text(encoder, conversation), conversation.images)
    except RowError:
        return None
