"""How long prompts will be, from the sizes of their pictures: the processor's own rule, without their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
from rilctl.models.prompts.encode import chat_text
from rilctl.private.transformers import picture_tokens


@dataclass(frozen=True)
class PromptSize:
    """A prompt's tokens.

    Args:
        tokens: all of them, pictures and chat template included.
        image_tokens: of the pictures.
    """

    tokens: int
    image_tokens: int


def prompt_sizes(encoder: Encoder, samples: Sequence[Sample]) -> list[PromptSize | None]:
    """Tokens of each question with its pictures; None where the row can't be asked, or the rule isn't known."""
    texts = [_text(encoder, sample.conversation) for sample in samples]
    encoded = encoder.tokenizer([text or "" for text in texts], add_special_tokens=False)["input_ids"] if texts else []
    return [
        None if text is None else _size(encoder, sample, len(ids))
        for text, sample, ids in zip(texts, samples, encoded, strict=True)
    ]


def image_tokens(encoder: Encoder, size_px: tuple[int, int]) -> int | None:
    """Tokens that stand for a picture of (width, height) in a prompt; None where the processor has no such rule."""
    return picture_tokens(encoder.processor, size_px)


def _text(encoder: Encoder, conversation: Conversation) -> str | None:
    """The text of a prompt before its pictures' tokens take the place of one token each; None: it can't be asked."""
    try:
        text = chat_text(encoder, conversation)
    except RowError:
        return None
    picture_text = encoder.family.picture_text
    if conversation.images and picture_text is not None:
        return text.replace(encoder.processor.image_token, picture_text(encoder.processor))
    return text


def _size(encoder: Encoder, sample: Sample, num_text: int) -> PromptSize | None:
    try:
        counts = [image_tokens(encoder, image.size_px) for image in sample.images]
    except (RowError, ValueError):  # the library refuses extreme shapes
        return None
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return None
    return PromptSize(num_text - len(known) + sum(known), sum(known))
