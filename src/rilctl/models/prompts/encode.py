"""Text and pictures to tensors. Shapes: B prompts, P prompt tokens, N rows, R response tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor

from rilctl.data.conversation import Conversation, Turn
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt, Encoder
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.loaded.vocabulary import end_id
from rilctl.models.prompts.lengths import refuse_too_long


def encode_prompt(encoder: Encoder, conversation: Conversation) -> EncodedPrompt:
    """Put a conversation into the model's chat template, and its pictures into tensors.

    Raises:
        RowError: as `prompt_text` and `ImageRef.load` do, and `image-unprocessable`.
    """
    text = prompt_text(encoder, conversation)
    return encode_text(encoder, text, [image.load() for image in conversation.images])


def prompt_text(encoder: Encoder, conversation: Conversation) -> str:
    """What a model is given of a conversation, its pictures' tokens apart.

    Raises:
        RowError: `special-token` in a text, `image-unsupported` by a text model, `template-refused`,
            `prompt-too-long`, and as `ImageRef.size_px` does.
    """
    for text in conversation.led_by(encoder.source.system).texts:
        check_text(encoder, text)
    if conversation.images and not encoder.family.sees_pictures:
        raise RowError("image-unsupported", f"{encoder.source.name} is a text model and the row has images")
    text = chat_text(encoder, conversation)
    refuse_too_long(encoder, text, conversation.images)
    return text


def chat_text(encoder: Encoder, conversation: Conversation) -> str:
    """A conversation in the model's chat template, a placeholder for each picture, up to where the answer begins.

    Raises:
        RowError: `template-refused`: it knows no system turn, for one.
    """
    messages = chat_messages(conversation.led_by(encoder.source.system), as_parts=encoder.family.sees_pictures)
    try:
        text: str = encoder.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise RowError("template-refused", f"{encoder.source.name}'s chat template says: {error}") from error
    return text


def chat_messages(conversation: Conversation, *, as_parts: bool) -> list[dict[str, object]]:
    """A conversation in the form that chat templates read.

    Args:
        conversation: what is asked.
        as_parts: whether a turn is a list of texts and pictures, as of models that see, or one text.
    """
    turns = conversation.turns
    if conversation.system is not None:
        turns = (Turn("system", (conversation.system,)), *turns)
    return [{"role": turn.role, "content": _parts(turn) if as_parts else turn.text} for turn in turns]


def _parts(turn: Turn) -> list[dict[str, str]]:
    return [{"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in turn.parts]


def encode_text(encoder: Encoder, text: str, images: Sequence[Image.Image]) -> EncodedPrompt:
    """Tokenise text that is already in the chat template's form. Raises `RowError` as `encode_prompt` does."""
    encoded = _with_pictures(encoder, text, images) if images else _words(encoder, text)
    ids_P = encoded["input_ids"][0]
    type_ids = encoded.get("mm_token_type_ids", encoded.get("token_type_ids"))
    type_ids_P = type_ids[0] if type_ids is not None else torch.zeros_like(ids_P)
    text_keys = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")
    features = {name: value for name, value in encoded.items() if name not in text_keys}
    return EncodedPrompt(ids_P, type_ids_P, encoder.family.features(features))


def _words(encoder: Encoder, text: str) -> Any:
    return encoder.tokenizer(text, return_tensors="pt", add_special_tokens=False)


def _with_pictures(encoder: Encoder, text: str, images: Sequence[Image.Image]) -> Any:
    own = {"add_special_tokens": False} if encoder.family.template_begins else {}
    try:
        return encoder.processor(text=[text], images=list(images), return_tensors="pt", **own)
    except (ValueError, IndexError, ZeroDivisionError) as error:  # of extreme shapes; any other is a mistake of ours
        raise RowError("image-unprocessable", f"the image processor refuses the picture: {error}") from error


def encode_response(encoder: Encoder, text: str, *, stopped: bool) -> tuple[int, ...]:
    """Tokenise a response, markup taken literally; it ends in the stop token only if its author stopped by itself."""
    return encode_responses(encoder, [(text, stopped)])[0]


def encode_responses(encoder: Encoder, responses: Sequence[tuple[str, bool]]) -> list[tuple[int, ...]]:
    """`encode_response` of many, each with whether its author stopped by itself."""
    if not responses:
        return []
    texts = [text for text, _ in responses]
    found = encoder.tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    end = end_id(encoder.tokenizer, encoder.family)
    return [
        (*ids, end) if stopped and end is not None else tuple(ids)
        for ids, (_, stopped) in zip(found, responses, strict=True)
    ]


def decode_response(encoder: Encoder, token_ids: Sequence[int]) -> str:
    """Text of sampled tokens, special tokens removed."""
    text: str = encoder.tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def check_text(encoder: Encoder, text: str) -> None:
    """Raise `RowError` if the text holds one of the model's special tokens, which would be read as markup."""
    for token in encoder.tokenizer.added_tokens_decoder.values():
        if token.special and token.content in text:
            raise RowError("special-token", f"the text contains the chat-template token {token.content!r}")


@dataclass(frozen=True)
class PromptBatch:
    """Prompts padded on the left, so that the last column is every prompt's last token."""

    token_ids_BP: Tensor
    mask_BP: Tensor
    type_ids_BP: Tensor
    features: dict[str, Tensor]


def collate_prompts(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> PromptBatch:
    """Pad prompts on the left and join their pictures, on the model's device."""
    length = max(len(prompt.token_ids_P) for prompt in prompts)
    pad_id = pad_token_id(vlm)

    def left(values: list[Tensor], fill: int) -> Tensor:
        padded = [torch.nn.functional.pad(value, (length - len(value), 0), value=fill) for value in values]
        return torch.stack(padded).to(vlm.device)

    ids_BP = left([prompt.token_ids_P for prompt in prompts], pad_id)
    mask_BP = left([torch.ones_like(prompt.token_ids_P) for prompt in prompts], 0)
    type_ids_BP = left([prompt.type_ids_P for prompt in prompts], 0)
    return PromptBatch(ids_BP, mask_BP, type_ids_BP, join_features(vlm, prompts))


def join_features(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> dict[str, Tensor]:
    """The pictures of all prompts, one after the other, on the model's device."""
    names = sorted({name for prompt in prompts for name in prompt.features})
    return {
        name: torch.cat([prompt.features[name] for prompt in prompts if name in prompt.features]).to(vlm.device)
        for name in names
    }


def collate_responses(vlm: Vlm, responses: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad responses on the right: (token_ids_NR, mask_NR bool), on the model's device."""
    length = max((len(response) for response in responses), default=1)
    ids_NR = torch.full((len(responses), length), pad_token_id(vlm))
    mask_NR = torch.zeros((len(responses), length), dtype=torch.bool)
    for row, response in enumerate(responses):
        ids_NR[row, : len(response)] = torch.tensor(list(response), dtype=torch.long)
        mask_NR[row, : len(response)] = True
    return ids_NR.to(vlm.device), mask_NR.to(vlm.device)


def pad_token_id(vlm: Vlm) -> int:
    """The pad id; where the tokenizer has none, the stop id (masks, not ids, say what is padding)."""
    pad = vlm.tokenizer.pad_token_id
    return int(pad) if pad is not None else vlm.stop_ids[0]
