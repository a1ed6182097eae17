"""How many tokens a prompt is, from its text and the sizes of its pictures: the processor's own rule, no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from rilctl.data.sample import ImageRef
from rilctl.errors import RowError
from rilctl.models.loaded.processor import Encoder
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


def image_tokens(encoder: Encoder, size_px: tuple[int, int]) -> int | None:
    """Tokens that stand for a picture of (width, height) in a prompt; None where the processor has no such rule."""
    return picture_tokens(encoder.processor, size_px)


def with_pictures(encoder: Encoder, text: str, images: Sequence[ImageRef]) -> str:
    """The text of a prompt before its pictures' tokens take the place of one token each."""
    picture_text = encoder.family.picture_text
    if images and picture_text is not None:
        return text.replace(encoder.processor.image_token, picture_text(encoder.processor))
    return text


def prompt_size(encoder: Encoder, images: Sequence[ImageRef], num_text: int) -> PromptSize | None:
    """Tokens of a prompt; None where a picture can't be read, or the rule isn't known.

    Args:
        encoder: the model's.
        images: the prompt's.
        num_text: tokens of its text, see `with_pictures`.
    """
    try:
        counts = [image_tokens(encoder, image.size_px) for image in images]
    except (RowError, ValueError):  # the library refuses extreme shapes
        return None
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return None
    return PromptSize(num_text - len(known) + sum(known), sum(known))


def refuse_too_long(encoder: Encoder, text: str, images: Sequence[ImageRef]) -> None:
    """See that a prompt leaves room for a response, before memory is spent on it.

    Raises:
        RowError: `prompt-too-long`.
    """
    most = encoder.context_tokens
    size = prompt_size(encoder, images, len(text.encode())) if most is not None else None
    if most is None or size is None or size.tokens < most:  # no token is less than a byte of text
        return
    ids = encoder.tokenizer(with_pictures(encoder, text, images), add_special_tokens=False)["input_ids"]
    size = prompt_size(encoder, images, len(ids))
    if size is not None:
        check_room(encoder, size.tokens, 1)


def check_room(encoder: Encoder, num_tokens: int, response_tokens: int) -> None:
    """Raise `RowError` where prompt and response together are over the model's context: `prompt-too-long`.

    A budget of tokens that is itself over the context can't be spent, and counts as one token.
    """
    most = encoder.context_tokens
    if most is None:
        return
    room = most - (response_tokens if response_tokens < most else 1)
    if num_tokens > room:
        raise RowError("prompt-too-long", f"{num_tokens:,} tokens, room for {room:,} of {most:,} beside the response")
