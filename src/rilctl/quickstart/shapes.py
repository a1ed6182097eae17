"""The pocket world's model shapes: directories with everything of a model but its weights.

Such a directory (config, tokenizer, chat template, image processor, generation config) is what `sft` needs to build a
model from random weights, and what a checkpoint's weights are stored beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rilctl.quickstart import world

ShapeName = Literal["pocket-student", "pocket-teacher-qwen", "pocket-teacher-internvl"]
SHAPES: tuple[ShapeName, ...] = get_args(ShapeName)

PATCH_PX = 14
MERGE = 2
"""Patches on a side of one vision token."""
MAX_TOKENS = 512
INITIALIZER_RANGE = 0.05
"""Standard deviation of random weights. The usual 0.02 is for models a hundred times wider, and slows these down."""

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2's tokenizer cuts a text before it merges bytes."""
_QWEN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_INTERNVL_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
_CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' or 'image' in part or 'image_url' in part %}IMAGE"
    "{% elif part.type == 'video' or 'video' in part %}VIDEO"
    "{% elif 'text' in part %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_QWEN_TEMPLATE = _CHAT_TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>").replace(
    "VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"
)
_INTERNVL_TEMPLATE = _CHAT_TEMPLATE.replace("IMAGE", "<IMG_CONTEXT>\n").replace("VIDEO", "<video>\n")
_INTERNVL_TOKEN_ROLES = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}


@dataclass(frozen=True)
class Shape:
    """Widths (in units of the residual stream) and depths of one model."""

    family: Literal["qwen2_5_vl", "internvl"]
    hidden: int
    layers: int
    heads: int
    vision_hidden: int
    vision_layers: int
    key_value_heads: int = 2


POCKET_SHAPES: Mapping[ShapeName, Shape] = {
    "pocket-student": Shape("qwen2_5_vl", hidden=96, layers=3, heads=4, vision_hidden=64, vision_layers=1),
    "pocket-teacher-qwen": Shape("qwen2_5_vl", hidden=128, layers=3, heads=4, vision_hidden=64, vision_layers=1),
    "pocket-teacher-internvl": Shape("internvl", hidden=128, layers=3, heads=4, vision_hidden=64, vision_layers=1),
}


def write_shape(name: ShapeName, directory: Path, corpus: Iterable[str] | None = None) -> None:
    """Write the weightless model directory of a pocket model.

    Args:
        name: which pocket model.
        directory: created if missing; files of the same names are replaced.
        corpus: text with the words that its tokenizer is to know; None: those of the pocket world.
    """
    shape = POCKET_SHAPES[name]
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(shape.family, _corpus() if corpus is None else corpus)
    tokenizer.save_pretrained(directory)
    config = _CONFIGS[shape.family](shape, tokenizer)
    config.save_pretrained(directory)
    processor = _PROCESSORS[shape.family]
    _write_json(directory / "preprocessor_config.json", processor["image"] | {"processor_class": processor["class"]})
    _write_json(directory / "processor_config.json", processor["own"] | {"processor_class": processor["class"]})
    _write_json(directory / "generation_config.json", _generation_config(tokenizer))


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _corpus() -> Iterator[str]:
    """Text with every word of the world, for the tokenizer."""
    mix = world.cross(dict.fromkeys(world.KINDS, 1.0), {"short": 1.0})
    for row in world.make_rows("train", 0, 500, mix):
        yield f"user\n{row.question}\nassistant\n"
        yield from row.texts.values()
    yield from ["system\n"] * 2


def _tokenizer(family: str, corpus: Iterable[str]) -> Any:
    """A byte-level BPE tokenizer of the Qwen2 class; digits stay single tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trained.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=1024, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(corpus, trainer)
    model = json.loads(trained.to_str())["model"]
    merges: Any = [tuple(pair) for pair in model["merges"]]

    internvl = family == "internvl"
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=merges,
        unk_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=_INTERNVL_TOKEN_ROLES if internvl else {},
        model_max_length=MAX_TOKENS,
        padding_side="left",
    )
    special = _INTERNVL_SPECIAL if internvl else _QWEN_SPECIAL
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special], special_tokens=True)
    tokenizer.chat_template = _INTERNVL_TEMPLATE if internvl else _QWEN_TEMPLATE
    return tokenizer


def _text_config(shape: Shape, tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden,
        "intermediate_size": 2 * shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "max_position_embeddings": MAX_TOKENS,
        "initializer_range": INITIALIZER_RANGE,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        **_token_ids(tokenizer),
    }


def _token_ids(tokenizer: Any) -> dict[str, Any]:
    return {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def _qwen_config(shape: Shape, tokenizer: Any) -> Any:
    """Qwen2.5-VL, arranged so that so small a model learns to see.

    A window of the vision tower is one scan. Image tokens differ in row and column by one, which the usual rotary
    settings turn into an angle of a few hundredths; the base and the sections here turn it into about half a radian.
    """
    from transformers import Qwen2_5_VLConfig

    half = shape.hidden // shape.heads // 2
    temporal = half // 6
    width = (half - temporal) // 2
    rope = {
        "rope_type": "default",
        "rope_theta": 20.0,
        "mrope_section": [temporal, half - temporal - width, width],
    }
    vision = {
        "depth": shape.vision_layers,
        "hidden_size": shape.vision_hidden,
        "intermediate_size": 2 * shape.vision_hidden,
        "num_heads": 4,
        "out_hidden_size": shape.hidden,
        "patch_size": PATCH_PX,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "window_size": world.SCAN_PX,
        "fullatt_block_indexes": [],
        "initializer_range": INITIALIZER_RANGE,
    }
    return Qwen2_5_VLConfig(
        text_config=_text_config(shape, tokenizer) | {"rope_parameters": rope},
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=True,
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        **_token_ids(tokenizer),
    )


def _internvl_config(shape: Shape, tokenizer: Any) -> Any:
    from transformers import InternVLConfig

    vision = {
        "hidden_size": shape.vision_hidden,
        "num_hidden_layers": shape.vision_layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * shape.vision_hidden,
        "image_size": world.IMAGE_PX,
        "patch_size": PATCH_PX,
        "layer_scale_init_value": 1.0,
        "initializer_range": INITIALIZER_RANGE,
    }
    rope = {"rope_type": "default", "rope_theta": 1000.0}
    return InternVLConfig(
        text_config=_text_config(shape, tokenizer) | {"model_type": "qwen2", "rope_parameters": rope},
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=_NUM_IMAGE_TOKENS,
        downsample_ratio=1 / MERGE,
        tie_word_embeddings=True,
        architectures=["InternVLForConditionalGeneration"],
    )


def _generation_config(tokenizer: Any) -> dict[str, Any]:
    return {
        "do_sample": False,
        "eos_token_id": [tokenizer.eos_token_id, tokenizer.pad_token_id],
        "pad_token_id": tokenizer.pad_token_id,
    }


_NUM_IMAGE_TOKENS = (world.IMAGE_PX // PATCH_PX // MERGE) ** 2
_PIXELS: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [world.PIXEL_MEAN] * 3,
    "image_std": [world.PIXEL_STD] * 3,
}
_CONFIGS: Mapping[str, Callable[[Shape, Any], Any]] = {"qwen2_5_vl": _qwen_config, "internvl": _internvl_config}
_PROCESSORS: Mapping[str, dict[str, Any]] = {
    "qwen2_5_vl": {
        "class": "Qwen2_5_VLProcessor",
        "own": {},
        "image": _PIXELS
        | {
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": world.IMAGE_PX**2, "longest_edge": world.IMAGE_PX**2},
            "patch_size": PATCH_PX,
            "temporal_patch_size": 2,
            "merge_size": MERGE,
        },
    },
    "internvl": {
        "class": "InternVLProcessor",
        "own": {"image_seq_length": _NUM_IMAGE_TOKENS},
        "image": _PIXELS
        | {
            "image_processor_type": "GotOcr2ImageProcessor",
            "size": {"height": world.IMAGE_PX, "width": world.IMAGE_PX},
            "crop_to_patches": False,
            "min_patches": 1,
            "max_patches": 12,
        },
    },
}
