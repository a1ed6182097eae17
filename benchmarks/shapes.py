"""What the benchmarks measure: model directories without weights, pictures, teachers' answers. Nothing is downloaded.

The vocabulary is a thousand made-up words of three letters with a space in front. Only such words are sampled, on both
sides of a comparison, so a response's text has as many tokens as were sampled, whoever reads it.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef, Sample
from rilctl.models.loaded.devices import pick_device
from rilctl.models.loaded.vlm import Vlm, load_vlm

PX_PER_TOKEN = 28
"""Side of the square that one image token stands for."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
QUESTION = " kib zat" * 6
"""Twelve tokens."""
SPACE = "\u0120"
"""A leading space, as byte-level tokenizers write it."""
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class ModelSize:
    """A Qwen2.5-VL; `None` stands for the tokenizer's own vocabulary."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    vision_hidden: int
    vision_layers: int
    vision_heads: int
    vision_intermediate: int
    full_attention: tuple[int, ...]
    vocabulary: int | None = None
    tied: bool = True


@dataclass(frozen=True)
class Shape:
    """One measurement.

    Args:
        size: of the model.
        image_tokens: a square number, after merging.
        new_tokens: every response has exactly as many.
        num_questions: groups in a step.
        num_rows: rollouts per question, and teacher rows per question.
        dtype: precision of the forward pass.
        lora: train adapters only.
        gradient_checkpointing: in a RIL step of ours, where activations don't fit otherwise.
        trl_gradient_checkpointing: in TRL's step, for the same reason.
        trl_parts: forward and backward passes of TRL's step, each with a part of the rows; likewise.
    """

    size: ModelSize
    image_tokens: int
    new_tokens: int
    num_questions: int = 2
    num_rows: int = 8
    dtype: Literal["float32", "bfloat16"] = "float32"
    lora: bool = False
    gradient_checkpointing: bool = False
    trl_gradient_checkpointing: bool = False
    trl_parts: int = 1

    @property
    def side_px(self) -> int:
        """Width and height of a picture."""
        return PX_PER_TOKEN * round(self.image_tokens**0.5)


def small_size(hidden: int, layers: int = 4, vision_layers: int = 3) -> ModelSize:
    """A model for a CPU; the vision tower has a fifth of the language model's weights, as in Qwen2.5-VL-3B."""
    return ModelSize(hidden, layers, 4, 2, 2 * hidden, hidden // 2, vision_layers, 4, hidden, (vision_layers - 1,))


QWEN_3B = ModelSize(2048, 36, 16, 2, 11008, 1280, 32, 16, 3420, (7, 15, 23, 31), 151_936)
QWEN_7B = ModelSize(3584, 28, 28, 4, 18944, 1280, 32, 16, 3420, (7, 15, 23, 31), 152_064, tied=False)
SHAPES = {
    "large": Shape(small_size(384, 5, 4), image_tokens=576, new_tokens=64),  # 9.9 M parameters
    "small": Shape(small_size(320), image_tokens=64, new_tokens=32),  # 5.8 M
    "long": Shape(small_size(320), image_tokens=64, new_tokens=256),
}
GPU_SHAPES = {  # for 139 GiB; policy, discriminator and reference of the first are 113 GB without activations
    "qwen3b": Shape(
        QWEN_3B,
        image_tokens=1024,
        new_tokens=128,
        dtype="bfloat16",
        gradient_checkpointing=True,
        trl_gradient_checkpointing=True,
    ),
    "qwen3b-lora": Shape(QWEN_3B, image_tokens=1024, new_tokens=128, dtype="bfloat16", lora=True, trl_parts=2),
    "qwen7b": Shape(QWEN_7B, image_tokens=1024, new_tokens=128, dtype="bfloat16", lora=True, trl_parts=2),
}


def load(directory: Path, shape: Shape, device: Literal["cpu", "cuda"] = "cpu", *, trainable: bool = True) -> Vlm:
    """The model of a directory that `write_model` wrote; random weights, the same at each call. Samples words only."""
    config = ModelConfig(model=str(directory), random_weights=True, dtype=shape.dtype)
    with pick_device(device) as place:  # billions of random weights are drawn there; a host takes a minute
        vlm = load_vlm(config, base_dir=Path(), device=place, trainable=trainable)
    vocabulary = vlm.tokenizer.get_vocab()
    words = {index for token, index in vocabulary.items() if token.startswith(SPACE)}
    vlm.banned_ids = tuple(index for index in range(vlm.lm_head.weight.shape[0]) if index not in words)
    return vlm


def write_model(directory: Path, shape: Shape) -> Path:
    """Write configuration, tokenizer, chat template and image processor of a model, and return the directory."""
    from transformers import Qwen2_5_VLConfig

    directory.mkdir(parents=True, exist_ok=True)
    tokenizer, size = _tokenizer(), shape.size
    tokenizer.save_pretrained(directory)
    half = size.hidden // size.heads // 2
    width = 3 * half // 8
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": size.vocabulary or len(tokenizer),
            "hidden_size": size.hidden,
            "intermediate_size": size.intermediate,
            "num_hidden_layers": size.layers,
            "num_attention_heads": size.heads,
            "num_key_value_heads": size.key_value_heads,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [half - 2 * width, width, width],
            },
            "tie_word_embeddings": size.tied,
            **ends,
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_hidden,
            "intermediate_size": size.vision_intermediate,
            "num_heads": size.vision_heads,
            "out_hidden_size": size.hidden,
            "patch_size": PX_PER_TOKEN // 2,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "window_size": 4 * PX_PER_TOKEN,
            "fullatt_block_indexes": list(size.full_attention),
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=size.tied,
        architectures=["Qwen2_5_VLForConditionalGeneration"],
        **ends,
    )
    config.save_pretrained(directory)
    pixels = {"shortest_edge": shape.side_px**2, "longest_edge": shape.side_px**2}
    image = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": PX_PER_TOKEN // 2, "size": pixels}
    for name, content in {"preprocessor_config.json": image, "processor_config.json": {}}.items():
        (directory / name).write_text(json.dumps(content | {"processor_class": "Qwen2_5_VLProcessor"}))
    (directory / "generation_config.json").write_text(json.dumps(ends))
    return directory


def make_samples(shape: Shape, num: int) -> list[Sample]:
    """Questions, each with a picture of its own."""
    randomness = np.random.default_rng(0)
    samples = []
    for index in range(num):
        coarse = Image.fromarray(randomness.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        encoded = io.BytesIO()
        coarse.resize((shape.side_px, shape.side_px)).save(encoded, format="PNG")
        picture = ImageRef(encoded.getvalue(), f"picture {index}")
        samples.append(Sample(f"{index:04}", Conversation.of(QUESTION, (picture,)), "", ""))
    return samples


def teacher_texts(vlm: Vlm, shape: Shape, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """For each question as many answers of random words as there are teacher rows."""
    banned = set(vlm.banned_ids)
    words = np.array([index for index in range(vlm.lm_head.weight.shape[0]) if index not in banned])
    randomness = np.random.default_rng(1)
    return {
        sample.id: vlm.tokenizer.batch_decode(randomness.choice(words, (shape.num_rows, shape.new_tokens)))
        for sample in samples
    }


def is_right(text: str) -> bool:
    """The reward of every side: a property of the text that half of random answers have."""
    return text.strip()[:1] < "m"


def _tokenizer() -> Any:
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import Qwen2Tokenizer

    consonants, vowels = "bcdfghjklmnprstz", "aeiou"
    steps = [
        *((SPACE, c) for c in consonants),
        *((SPACE + c, v) for c, v in product(consonants, vowels)),
        *((SPACE + c + v, last) for c, v, last in product(consonants, vowels, consonants)),
    ]
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in steps)]
    tokenizer = Qwen2Tokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=steps,
        unk_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=8192,
        padding_side="left",
    )
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL], special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    return tokenizer
