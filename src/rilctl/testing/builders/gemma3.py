"""Gemma 3, with a window that is shorter than prompts and a tokenizer that joins line ends and begins every text."""

from pathlib import Path
from typing import Any

from rilctl.testing.builders.base import HIDDEN, IMAGE_PX, change, change_processor, language_model, vision_tower

_TOKENS_PER_IMAGE = 4
_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
_MARKS = ("<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>", "<image_soft_token>")
_ROLES = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
_WORDS = ("\n\n\n", "answer", "see", "sum", "the", "largest", "is", *"0123456789+=")
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<start_of_image>"
    "{% else %}{{ part.text | trim }}{% endif %}{% endfor %}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def write(directory: Path) -> None:
    """Make the pocket student's directory one."""
    from transformers import Gemma3Config, GemmaTokenizer

    letters = ("▁", "\n", *(chr(code) for code in range(33, 127)))
    joins: Any = [pair for word in _WORDS for pair in _joins(word)]
    joined = ("".join(pair) for pair in joins)
    bytes_ = (f"<0x{byte:02X}>" for byte in range(256))
    vocabulary = {token: index for index, token in enumerate((*_SPECIAL, *bytes_, *letters, *joined))}
    options: dict[str, Any] = {"extra_special_tokens": _ROLES, "model_max_length": 512, "add_bos_token": True}
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=joins, **options)
    tokenizer.add_tokens(list(_MARKS), special_tokens=True)
    tokenizer.chat_template = _TEMPLATE
    for file in directory.glob("*token*"):
        file.unlink()
    tokenizer.save_pretrained(directory)
    ids: dict[str, Any] = {role: tokenizer.convert_tokens_to_ids(token) for role, token in _ROLES.items()}
    text = language_model(tokenizer) | {
        "bos_token_id": tokenizer.bos_token_id,
        "head_dim": HIDDEN // 2,
        "query_pre_attn_scalar": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    }
    Gemma3Config(
        text_config=text,
        vision_config=vision_tower(vision_use_head=False),
        mm_tokens_per_image=_TOKENS_PER_IMAGE,
        image_token_index=ids["image_token"],
        boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
        tie_word_embeddings=True,
        architectures=["Gemma3ForConditionalGeneration"],
    ).save_pretrained(directory)
    size = {"height": IMAGE_PX, "width": IMAGE_PX}
    change_processor(directory, "Gemma3Processor", image_processor_type="Gemma3ImageProcessor", size=size)
    change(directory / "processor_config.json", image_seq_length=_TOKENS_PER_IMAGE)
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    change(
        directory / "generation_config.json",
        eos_token_id=[tokenizer.eos_token_id, end],
        pad_token_id=tokenizer.pad_token_id,
    )


def _joins(word: str) -> list[tuple[str, str]]:
    """Letter after letter, then the space before it."""
    return [*((word[:num], word[num]) for num in range(1, len(word))), ("▁", word)]
