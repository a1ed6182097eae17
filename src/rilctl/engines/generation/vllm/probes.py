"""Questions that show which weights answer: fresh ones at every look."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rilctl.data.conversation import Conversation
from rilctl.data.pictures import Picture
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.vllm.backend import Ask
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.prompts.encode import encode_prompt

NUM_PROBES = 8
NUM_TOKENS = 32
"""Of each answer; nothing ends it sooner."""
TEMPERATURE = 1.5
"""Of the answers. Above 1 more tokens are uncertain, and only those tell; and log-probabilities from before the
temperature would be seen."""
_SIDE_PX = 112
"""Of a probe's picture, where the image processor has no size of its own."""
_RESIZED_PX = 130
_SENTENCE = " Say what you see and what you know."
_NUM_SENTENCES = (0, 1, 2, 4)
"""Of the questions: prompts of different lengths."""


@dataclass(frozen=True)
class Probe:
    """One question, and how vLLM is asked."""

    prompt: EncodedPrompt
    ask: Ask


def make_probes(reader: Reader, look: int, room_tokens: int) -> list[Probe]:
    """Questions with a picture and without, of several lengths.

    Nothing is left to resize of the pictures, for libraries do that otherwise, and more than rounding would be seen.

    Args:
        reader: how prompts are made.
        look: numbers the looks; each has questions, a picture and seeds of its own.
        room_tokens: longest prompt that leaves room for the answer; the shortest question is always asked.

    Returns:
        As many as `NUM_PROBES`.
    """
    picture = [_picture(reader, _side_px(reader), look)] if reader.encoder.family.sees_pictures else []
    made = [
        _encoded(reader, f"What is in picture {look}?" + _SENTENCE * num, images)
        for num in _NUM_SENTENCES
        for images in ([picture, []] if picture else [[]])
    ]
    fit = [each for each in made if len(each[0].token_ids_P) <= room_tokens]
    fit = fit or [min(made, key=lambda each: len(each[0].token_ids_P))]
    probes = []
    for index in range(NUM_PROBES):
        prompt, token_ids, pictures = fit[index % len(fit)]
        probes.append(Probe(prompt, Ask(token_ids, pictures, seed=look * NUM_PROBES + index)))
    return probes


def _encoded(
    reader: Reader, question: str, images: Sequence[ImageRef]
) -> tuple[EncodedPrompt, tuple[int, ...], tuple[Picture, ...]]:
    conversation = Conversation.of(question, images)
    prompt = encode_prompt(reader.encoder, conversation)
    return prompt, reader.token_ids(conversation), reader.as_sent(images, prompt)


def picture_probe(reader: Reader) -> Probe:
    """A question about a picture that is cut and resized, of a family whose pictures vLLM cuts and resizes."""
    images = [_picture(reader, _RESIZED_PX, 0)] if reader.encoder.family.sees_pictures else []
    prompt, token_ids, pictures = _encoded(reader, "What is in the picture?", images)
    return Probe(prompt, Ask(token_ids, pictures, seed=7))


def _side_px(reader: Reader) -> int:
    """A size that need not change."""
    size = reader.encoder.processor.image_processor.size
    return int(getattr(size, "height", None) or _SIDE_PX)


def _picture(reader: Reader, side_px: int, shift: int) -> ImageRef:
    """A JPEG, smooth and with edges, for decoders may differ as well; square, sent as it came if its size is final."""
    y, x = np.mgrid[:side_px, :side_px] * 130 // side_px
    image = Image.fromarray(
        np.stack([x * 255 // 130, y * 255 // 130, 255 * (((x + 7 * shift) // 30 + y // 22) % 2)], -1).astype(np.uint8)
    )
    drawn = ImageRef(lambda: image, f"the proof's picture {shift}")
    (sent,) = reader.as_sent([drawn], encode_prompt(reader.encoder, Conversation.of("", [drawn])))
    buffer = io.BytesIO()
    sent.pixels.save(buffer, "JPEG", quality=90)
    return ImageRef(buffer.getvalue(), drawn.name)
