"""From requests to what vLLM is asked, and from its answers to responses; needs no weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from rilctl.config.fields import SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.pictures import Picture
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.generation.vllm.backend import Ask, Generated
from rilctl.errors import EngineError, RowError
from rilctl.models.loaded.processor import EncodedPrompt, Encoder
from rilctl.models.prompts.encode import chat_text, decode_response
from rilctl.models.prompts.kept import KeptPrompts

_NO_LOGPROB = -9999.0
"""What vLLM's server says instead of minus infinity and NaN."""


@dataclass(frozen=True)
class Reader:
    """Reads for a model: its tokenizer, template and image processor, and what it may sample.

    Args:
        encoder: the model's, without its weights.
        prompts: encodes, and remembers.
        stop_ids: end a response.
        banned_ids: are never sampled.
        max_images: in one prompt.
    """

    encoder: Encoder
    prompts: KeptPrompts
    stop_ids: tuple[int, ...]
    banned_ids: tuple[int, ...]
    max_images: int | None

    def asks(self, request: GenerationRequest, budget_tokens: int) -> tuple[EncodedPrompt, list[Ask]]:
        """The prompt, and one ask for each seed.

        Args:
            request: the question.
            budget_tokens: longest prompt that leaves room for the response.

        Raises:
            RowError: a picture or the text can't be read, or there is too much of either.
        """
        if self.max_images is not None and len(request.images) > self.max_images:
            message = f"{len(request.images)} pictures, the engine's `max_images` is {self.max_images}"
            raise RowError("too-many-images", message)
        prompt = self.prompts.get(request.conversation)
        if len(prompt.token_ids_P) > budget_tokens:
            message = f"{len(prompt.token_ids_P)} tokens, room for {budget_tokens} beside the response"
            raise RowError("prompt-too-long", message)
        pictures = self.as_sent(request.images, prompt)
        ids = self.token_ids(request.conversation)
        return prompt, [Ask(ids, pictures, seed, len(request.seeds)) for seed in request.seeds]

    def token_ids(self, conversation: Conversation) -> tuple[int, ...]:
        """The prompt before placeholders are expanded. Raises `RowError` as `chat_text` does."""
        text = chat_text(self.encoder, conversation)
        begins = bool(conversation.images) and not self.encoder.family.template_begins  # as `encode_text` reads it
        return tuple(self.encoder.tokenizer(text, add_special_tokens=begins)["input_ids"])

    def check_prompt(self, prompt: EncodedPrompt, answer: Generated) -> None:
        """Raise `EngineError` if vLLM read another prompt than ours."""
        if answer.prompt_token_ids != prompt.token_ids_P.tolist():
            raise EngineError(
                f"vLLM reads a prompt of {len(answer.prompt_token_ids)} tokens where we read one of "
                f"{len(prompt.token_ids_P)}: its tokenizer, template or image processor is another",
                hint="give it the same model directory; image sizes stand in preprocessor_config.json",
            )

    def response(self, prompt: EncodedPrompt, answer: Generated, sampling: SamplingConfig) -> Response:
        """The answer as a response.

        Raises:
            EngineError: vLLM read another prompt than ours.
            RowError: the model computes nonsense.
        """
        self.check_prompt(prompt, answer)
        if not all(isfinite(logprob) and logprob > _NO_LOGPROB for logprob in answer.logprobs):
            raise RowError("logits-invalid", "the model computes no finite logits in vLLM")
        return Response(
            text=decode_response(self.encoder, answer.token_ids),
            token_ids=answer.token_ids,
            finish_reason="stop" if answer.stopped else "length",
            sampling_logprobs=answer.logprobs,
            truncated_mass=None if sampling.top_p < 1 or sampling.top_k else 0.0,
        )

    def as_sent(self, images: Sequence[ImageRef], prompt: EncodedPrompt) -> tuple[Picture, ...]:
        """Pictures at their final size, where that is all that happens to them, else as they are.

        vLLM resizes with torchvision, which rounds otherwise than Pillow; so this leaves it nothing to resize. A
        picture that has its final size already keeps the bytes that it came in. Raises `RowError` as `ImageRef.load`.
        """
        sent = []
        for image, size in zip(images, self._final_sizes(len(images), prompt), strict=True):
            pixels, own = image.load_with_bytes()
            if size is None or size == pixels.size:
                sent.append(Picture(pixels, own))
            else:
                sent.append(Picture(pixels.resize(size, self.encoder.processor.image_processor.resample)))
        return tuple(sent)

    def _final_sizes(self, num_images: int, prompt: EncodedPrompt) -> list[tuple[int, int] | None]:
        """Width and height of each picture's patches together; None where vLLM would resize that size again."""
        sent_sizes = self.encoder.family.sent_sizes
        if not num_images or sent_sizes is None:
            return [None] * num_images
        return sent_sizes(self.encoder.processor, prompt.features)
