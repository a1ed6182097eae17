"""What the package has to know of a family of models. Everything else is the same for all.

A family is a file in this folder with a `FAMILY`; `table` finds it, and nothing else names it.

Shapes: B prompts, P prompt tokens, N rows, R response tokens, L tokens of a packed group.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from rilctl.config.fields import PictureBounds
from rilctl.quickstart.shapes import ShapeName

PLACEHOLDERS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)
"""Fields by which configurations name tokens that stand for pictures, or for marks around them."""


class Positions(Protocol):
    """Rotary positions of tokens."""

    def of_prompts(
        self, backbone: Any, ids_BP: Tensor, mask_BP: Tensor, types_BP: Tensor, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Those of prompts padded on the left or on the right, and next_position_B, of the token after the last."""

    def of_responses(self, next_position_N: Tensor, num_tokens: int) -> Tensor:
        """Those of tokens that follow a prompt."""


@dataclass(frozen=True)
class InOrder:
    """One after another, pictures' tokens too; positions_BP and positions_NR."""

    def of_prompts(
        self, backbone: Any, ids_BP: Tensor, mask_BP: Tensor, types_BP: Tensor, features: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """See `Positions`."""
        return (mask_BP.cumsum(1) - 1).clamp(min=0), mask_BP.sum(1)

    def of_responses(self, next_position_N: Tensor, num_tokens: int) -> Tensor:
        """See `Positions`."""
        return next_position_N[:, None] + torch.arange(num_tokens, device=next_position_N.device)


def _as_they_are(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return features


def _one(config: Any) -> int:
    return 1


def fixed_size(num_tokens: int, bounds: PictureBounds) -> dict[str, Any]:
    """No change, where every picture takes as many tokens; see `Family.bound_pictures`."""
    if not (bounds.min_tokens or 0) <= num_tokens <= (bounds.max_tokens or num_tokens):
        raise ValueError(f"every picture takes {num_tokens:,} tokens, whatever its size")
    return {}


def _no_rule(pixels: Mapping[str, Any], own: Mapping[str, Any], bounds: PictureBounds) -> dict[str, Any]:
    raise ValueError("nothing is known of how its processor sizes pictures")


def _same(name: str) -> str:
    return name


def _nothing_more(config: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Family:
    """A family of models.

    Args:
        name: as messages have it.
        model_types: `model_type` in `config.json` of its models.
        processor: the library's class that turns text and pictures into tensors; None: the one that a model's files
            name.
        sees_pictures: whether it has a vision tower; else its processor is a tokenizer.
        shares_prompts: whether rows may go on from one copy of their prompt. Else the prompt is repeated, and the
            library's own forward places tokens.
        template_begins: its chat template writes the token that begins a text, which the tokenizer would add again.
        end_token: what ends an answer, where that isn't the tokenizer's `eos_token`.
        placeholders: fields of the configuration that name tokens which are never said.
        picture_text: from processor to the text that takes a placeholder's place, its image tokens as one; None: marks
            around them count as image tokens.
        features: from the processor's image tensors to those of `EncodedPrompt`.
        positions: of its tokens.
        types_argument: argument of its forward pass that says which tokens are a picture's.
        needs_types: whether that holds beside positions too.
        sees_more: from which tokens of packed groups see which, and types_BL, to the same with what tokens of pictures
            see besides; None: nothing.
        plain_language_models: `model_type` of language models whose attention is softmax(q k) v over all earlier
            tokens, and nothing else, and whose layers add two parts to the residual stream, `self_attn.o_proj` and
            `mlp`.
        checkpoint_name: from the library's name of a weight in a file to the one in published checkpoints, which
            engines look for; such a name stays as it is.
        patches_per_token: from the configuration to patches that the vision tower sees for one image token.
        has_gated_vision: whether the vision tower's feed-forward layer multiplies two projections.
        sent_sizes: from processor and features to (width, height) of each picture as it is when patches are cut; None
            where the processor would change that size again. None: more than resizing happens to a picture.
        bound_pictures: from the settings of the image processor, those of the processor itself, as its files have them,
            and the tokens that a picture may take, to settings of the image processor that replace its own. It raises
            `ValueError`, saying what is possible, where its rule can't keep the bounds.
        shrink: what is particular about a configuration that was made small, in place.
        pocket: shape of the pocket world that stands in for its models.
    """

    name: str
    model_types: tuple[str, ...]
    processor: str | None = None
    sees_pictures: bool = True
    shares_prompts: bool = True
    template_begins: bool = False
    end_token: str | None = None
    placeholders: tuple[str, ...] = PLACEHOLDERS
    picture_text: Callable[[Any], str] | None = None
    features: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _as_they_are
    positions: Positions = InOrder()
    types_argument: str | None = None
    needs_types: bool = False
    sees_more: Callable[[Tensor, Tensor], Tensor] | None = None
    plain_language_models: tuple[str, ...] = ("qwen2", "qwen3", "llama")
    checkpoint_name: Callable[[str], str] = _same
    patches_per_token: Callable[[Any], int] = _one
    has_gated_vision: bool = False
    sent_sizes: Callable[[Any, Mapping[str, Tensor]], list[tuple[int, int] | None]] | None = None
    bound_pictures: Callable[[Mapping[str, Any], Mapping[str, Any], PictureBounds], dict[str, Any]] = _no_rule
    shrink: Callable[[dict[str, Any]], None] = _nothing_more
    pocket: ShapeName | None = None
