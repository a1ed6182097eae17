"""How large a model is, from its configuration alone, counted on the meta device, which has no memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from rilctl.config.fields import LoraConfig
from rilctl.errors import ModelError
from rilctl.models.families.record import Family
from rilctl.models.loaded.own_code import brings_code, code_hint
from rilctl.models.loaded.source import ModelSource
from rilctl.models.loaded.vlm import auto_class, decoder_of


@dataclass(frozen=True)
class Tower:
    """A stack of transformer layers.

    Args:
        hidden: width of the residual stream.
        layers: their number.
        query_width: heads times head size, of the queries.
        key_width: the same of the keys; the values are as wide.
        intermediate: width of the feed-forward layer.
        gated: whether the feed-forward layer multiplies two projections (SwiGLU).
    """

    hidden: int
    layers: int
    query_width: int
    key_width: int
    intermediate: int
    gated: bool


@dataclass(frozen=True)
class Anatomy:
    """Sizes of a model; parameters are counted, not bytes.

    Args:
        parameters: all of them; tied embeddings once.
        embedding: of the token embeddings.
        head: of the head over the vocabulary; as many as the embeddings, and the same ones, where they are tied.
        tied: whether head and embeddings are one.
        vision: of vision tower and projector; 0 for text models.
        vocabulary: rows of the head.
        language: the language model's layers.
        tower: the vision tower's layers; None for text models.
        patches_per_token: patches that the vision tower sees for one image token of the prompt.
        patch_values: numbers that a patch is made of.
        shares_keys: whether rows read one copy of their prompt's keys and values; else each has its own.
        adapter_widths: for each kind of linear layer in the language model, the sum of inputs and outputs over layers.
        adapter_weights: the same of the layers' weights.
    """

    parameters: int
    embedding: int
    head: int
    tied: bool
    vision: int
    vocabulary: int
    language: Tower
    tower: Tower | None
    patches_per_token: int
    patch_values: int
    shares_keys: bool = True
    adapter_widths: dict[str, int] = field(default_factory=dict)
    adapter_weights: dict[str, int] = field(default_factory=dict)

    def adapter_parameters(self, lora: LoraConfig) -> int:
        """Parameters of an adapter: `rank` x (inputs + outputs) for each layer that has one."""
        return lora.rank * sum(self.adapter_widths.get(target, 0) for target in lora.targets)

    def adapted_weights(self, lora: LoraConfig) -> int:
        """Weights that an adapter adds to: merged, they are others."""
        return sum(self.adapter_weights.get(target, 0) for target in lora.targets)


def read_anatomy(source: ModelSource) -> Anatomy:
    """Count a model's parameters; no weights are read.

    Raises:
        ModelError: the configuration can't be read, or the library makes no model of it.
    """
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(source.path, trust_remote_code=source.runs_code)
        with torch.device("meta"):
            model = auto_class(source.family).from_config(config, trust_remote_code=source.runs_code)
    except Exception as error:  # the library raises anything on a damaged configuration
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = code_hint(source.path) if brings_code(source.path) else "copy the model again"
        raise ModelError(f"{source.path}/config.json describes no model: {reason}", hint=hint) from error
    return _measure(model, source.family)


def _measure(model: Any, family: Family) -> Anatomy:
    decoder, head, embedding = decoder_of(model), model.get_output_embeddings(), model.get_input_embeddings()
    total, tied = _count(model), head.weight is embedding.weight
    language = total - (0 if tied else head.weight.numel())
    config = model.config
    text = config.get_text_config()
    vision = getattr(config, "vision_config", None)
    return Anatomy(
        parameters=total,
        embedding=embedding.weight.numel(),
        head=head.weight.numel(),
        tied=tied,
        vision=language - _count(decoder),
        vocabulary=int(head.weight.shape[0]),
        language=_language_tower(text),
        tower=_vision_tower(vision, gated=family.has_gated_vision) if vision is not None else None,
        patches_per_token=family.patches_per_token(config),
        patch_values=_patch_values(vision) if vision is not None else 0,
        shares_keys=text.model_type in family.plain_language_models,
        adapter_widths=_by_kind(decoder, lambda layer: layer.in_features + layer.out_features),
        adapter_weights=_by_kind(decoder, lambda layer: layer.weight.numel()),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _language_tower(text: Any) -> Tower:
    heads = text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    key_heads = getattr(text, "num_key_value_heads", None) or heads
    return Tower(
        text.hidden_size, text.num_hidden_layers, heads * size, key_heads * size, text.intermediate_size, gated=True
    )


def _vision_tower(vision: Any, *, gated: bool) -> Tower:
    """Vision towers have as many key heads as query heads, and queries as wide as their residual stream."""
    hidden = vision.hidden_size
    layers = getattr(vision, "depth", None) or vision.num_hidden_layers
    return Tower(hidden, layers, hidden, hidden, vision.intermediate_size, gated)


def _patch_values(vision: Any) -> int:
    side = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    return 3 * int(side) ** 2 * int(getattr(vision, "temporal_patch_size", 1))


def _by_kind(decoder: nn.Module, number_of: Callable[[nn.Linear], int]) -> dict[str, int]:
    """A number of each linear layer, summed over the layers of one name."""
    sums: Counter[str] = Counter()
    for name, module in decoder.named_modules():
        if isinstance(module, nn.Linear):
            sums[name.rpartition(".")[2]] += number_of(module)
    return dict(sums)
