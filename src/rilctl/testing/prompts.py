"""Prompts about pictures that were just drawn."""

from collections.abc import Sequence

from PIL import Image

from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.processor import EncodedPrompt, Encoder
from rilctl.models.prompts.encode import encode_prompt


def drawn_prompt(encoder: Encoder, question: str, pictures: Sequence[Image.Image] = ()) -> EncodedPrompt:
    """A question after its pictures, encoded."""
    return encode_prompt(encoder, Conversation.of(question, [ImageRef(each.copy, "drawn") for each in pictures]))
