"""SmolVLM2, on Llama; a picture is cut into two by two tiles."""

from pathlib import Path

from rilctl.testing.builders.base import (
    IMAGE_PX,
    PATCH_PX,
    add_tokens,
    change,
    change_processor,
    language_model,
    vision_tower,
)

_SCALE = 2
_TOKENS = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
_TILES = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))
_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def write(directory: Path) -> None:
    """Make the pocket student's directory one."""
    from transformers import SmolVLMConfig

    tokenizer = add_tokens(directory, (*_TOKENS, *_TILES), _TEMPLATE, eos_token="<end_of_utterance>")
    SmolVLMConfig(
        text_config=language_model(tokenizer) | {"model_type": "llama"},
        vision_config=vision_tower(),
        scale_factor=_SCALE,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        architectures=["SmolVLMForConditionalGeneration"],
    ).save_pretrained(directory)
    change_processor(
        directory,
        "SmolVLMProcessor",
        image_processor_type="SmolVLMImageProcessor",
        size={"longest_edge": 2 * IMAGE_PX},
        max_image_size={"longest_edge": IMAGE_PX},
    )
    change(directory / "processor_config.json", image_seq_len=(IMAGE_PX // PATCH_PX // _SCALE) ** 2)
