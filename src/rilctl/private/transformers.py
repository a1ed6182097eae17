"""Private API of transformers, and names that changed within the versions that rilctl works with."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from rilctl.private.uses import Use, lacking

_CHECKPOINTING = "GradientCheckpointingLayer.gradient_checkpointing"
_CHECKPOINTING_WHY = (
    "to compute activations again in some forward passes only: the public switch is for a model that trains, always"
)

_PILLOW_ONLY = {"idefics3": "Idefics3ImageProcessorPil", "smolvlm": "SmolVLMImageProcessorPil"}
"""Image processors that need Pillow alone, by the package that has them; 5.16 says that they need torchvision."""


@contextmanager
def attention_named(config: Any, name: str) -> Iterator[None]:
    """Inside, the model of this configuration computes attention as registered under a name."""
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def enable_checkpointing(
    model: Any,
    layers: Collection[nn.Module],
    contexts: Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]],
) -> None:
    """Let a model's layers be computed again in backward, where they are in training mode.

    Args:
        model: the library's.
        layers: of its language model.
        contexts: for a layer's first computation, and for the one in backward.

    Raises:
        EngineError: the model's layers don't say that they will be.
    """
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False, "context_fn": contexts})
    if not set(layers) <= set(checkpointed_layers(model)):
        raise lacking("transformers", _CHECKPOINTING, _CHECKPOINTING_WHY)


def checkpointed_layers(model: nn.Module) -> list[nn.Module]:
    """The parts of a model that are computed again in backward where they are in training mode."""
    return [module for module in model.modules() if getattr(module, "gradient_checkpointing", False)]


def keep_precision_of_pictures(model: Any) -> None:
    """Let a model with a connector give pictures in the precision of its weights, as of 5.19 the library does.

    Earlier versions can't put the half precision of autocast beside float32 embeddings: SmolVLM's training ended there.
    """
    connector = getattr(getattr(model, "model", None), "connector", None)
    if isinstance(connector, nn.Module):
        connector.register_forward_hook(_in_precision_of_weights)


def _in_precision_of_weights(connector: nn.Module, args: object, features: Tensor) -> Tensor:
    return features.to(next(connector.parameters()).dtype)


def with_cache(backbone: nn.Module, key_values: Any) -> dict[str, Any]:
    """A key/value cache as an argument of a forward pass: `cache` since 5.22, `past_key_values` before."""
    return {_cache_argument(type(backbone).forward): key_values}


def cache_of(output: Any) -> Any:
    """The key/value cache that a forward pass gives; None where it gives none."""
    return output.cache if hasattr(output, "cache") else output.past_key_values


@cache
def _cache_argument(forward: Callable[..., Any]) -> str:
    return "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"


def as_in_checkpoint(model: Any, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that files have, from those that modules have."""
    from transformers.core_model_loading import revert_weight_conversion

    names: dict[str, Tensor] = revert_weight_conversion(model, dict(state))
    return names


def image_only(processor: Any) -> Any:
    """The same processor class without its video processor, under the same name."""
    _offer_pillow_only()

    def get_attributes(cls: type) -> list[str]:
        return ["image_processor", "tokenizer"]

    return type(processor.__name__, (processor,), {"get_attributes": classmethod(get_attributes)})


def _offer_pillow_only() -> None:
    """Let the library find them where there is no torchvision."""
    for name, processor in _PILLOW_ONLY.items():
        package = import_module(f"transformers.models.{name}")
        own = getattr(import_module(f"{package.__name__}.image_processing_pil_{name}"), processor)
        if getattr(package, processor) is not own:
            setattr(package, processor, own)


def picture_tokens(processor: Any, size_px: tuple[int, int]) -> int | None:
    """Tokens that stand for a picture of (width, height) in a prompt; None where the processor has no such rule."""
    rule = getattr(processor, "_get_num_multimodal_tokens", None)
    if rule is None:
        return None
    width, height = size_px
    return int(rule(image_sizes=[(height, width)])["num_image_tokens"][0])


def _check_attention() -> None:
    """A forward pass of one layer, with an attention and a cache of ours."""
    import torch
    import transformers

    seen = list[object]()

    def attend(module: Any, query: Tensor, *_: Any, **options: Any) -> tuple[Tensor, None]:
        seen.append((module.layer_idx, options["rilctl_option"]))
        return query.transpose(1, 2).contiguous(), None

    transformers.AttentionInterface.register("rilctl_check", attend)
    config = transformers.Qwen2Config(
        vocab_size=2,
        hidden_size=2,
        intermediate_size=2,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model = transformers.Qwen2Model(config)
        cache = transformers.DynamicCache(config=config)
        with attention_named(config, "rilctl_check"):
            out = model(input_ids=torch.zeros(1, 1, dtype=torch.long), rilctl_option=7, **with_cache(model, cache))
    if seen != [(0, 7)]:
        raise ValueError("an attention that is registered isn't called, or without its options")
    if cache_of(out) is not cache or cache.get_seq_length() != 1:
        raise ValueError("a cache that is given isn't used")


def _check_checkpointing() -> None:
    from transformers.modeling_layers import GradientCheckpointingLayer

    _ = GradientCheckpointingLayer.gradient_checkpointing


def _check_cache() -> None:
    """Layers as the shared prompt knows them; others would be sampled from in a slower form."""
    import transformers

    made = transformers.DynamicCache(config=transformers.Qwen2Config())
    if {type(layer) for layer in made.layers} != {transformers.DynamicLayer}:
        raise ValueError("other layers")


def _check_names() -> None:
    from transformers.core_model_loading import revert_weight_conversion

    inspect.signature(revert_weight_conversion).bind(None, {})


def _check_processor() -> None:
    import transformers

    if list(image_only(transformers.ProcessorMixin).get_attributes()) != ["image_processor", "tokenizer"]:
        raise ValueError("other attributes")
    if "get_attributes" not in vars(transformers.ProcessorMixin):
        raise AttributeError("get_attributes")


def _check_pillow_only() -> None:
    _offer_pillow_only()
    for name, processor in _PILLOW_ONLY.items():
        getattr(import_module(f"transformers.models.{name}"), processor)()


def _check_picture_tokens() -> None:
    import transformers

    for processor in (transformers.Qwen2_5_VLProcessor, transformers.InternVLProcessor):
        inspect.signature(processor._get_num_multimodal_tokens).bind(processor, image_sizes=[(1, 1)])


USES = (
    Use(
        "PreTrainedConfig._attn_implementation",
        "to share a prompt in some forward passes: `set_attn_implementation` is too slow for each token",
        _check_attention,
    ),
    Use(_CHECKPOINTING, _CHECKPOINTING_WHY, _check_checkpointing),
    Use(
        "DynamicCache of DynamicLayer",
        "to hand a prompt's keys and values to its rows: what a cache is made of is exported, not promised",
        _check_cache,
    ),
    Use(
        "core_model_loading.revert_weight_conversion",
        "to send weights to vLLM under the names of files: only `save_pretrained` gives those, on the disk",
        _check_names,
    ),
    Use(
        "ProcessorMixin.get_attributes",
        "to load a processor without torchvision, which its video processor needs",
        _check_processor,
    ),
    Use(
        "models.*.image_processing_pil_*",
        "to see with SmolVLM and Idefics3 without torchvision: 5.16 hides the classes that need none",
        _check_pillow_only,
    ),
    Use(
        "ProcessorMixin._get_num_multimodal_tokens",
        "to plan prompts from the sizes of pictures: the public way is to process their pixels",
        _check_picture_tokens,
    ),
)
