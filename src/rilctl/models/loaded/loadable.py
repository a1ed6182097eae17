"""Which models are refused, and why, before or after the library has tried to load them."""

import json
from collections.abc import Mapping
from typing import Any

import torch

from rilctl.errors import ModelError
from rilctl.models.loaded.own_code import brings_code, code_hint
from rilctl.models.loaded.source import ModelSource


def check_json(source: ModelSource, texts: Mapping[str, bytes]) -> None:
    """The library goes on without a damaged generation_config.json, say. Raises `ModelError`."""
    for name, text in texts.items():
        try:
            if name.endswith(".json"):
                json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{source.path / name} is no valid JSON: {error}", hint="copy the model again") from error


def refuse_quantized(source: ModelSource, texts: Mapping[str, bytes]) -> None:
    """Raise `ModelError` where the weights are stored quantized: nothing can be learned from them exactly."""
    settings = json.loads(texts["config.json"]).get("quantization_config")
    if settings:
        method = settings.get("quant_method", "an unnamed method") if isinstance(settings, dict) else settings
        raise ModelError(
            f"{source.path / 'config.json'}: the weights are quantized ({method}), which only vLLM and endpoints read",
            hint='take the model\'s unquantized weights; a teacher may stay as it is with `engine.type = "vllm"`',
        )


def check_head(model: Any, source: ModelSource) -> None:
    """Log-probabilities are computed from hidden states and the head's weights alone. Raises `ModelError`."""
    config = model.config.get_text_config()
    scales = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    found = [name for name in scales if getattr(config, name, None) not in (None, 1, 1.0)]
    if getattr(model.get_output_embeddings(), "bias", None) is not None:
        found.append("a bias in the output embeddings")
    if not hasattr(model, "model"):
        found.append("no backbone named `model`")
    if found:
        hint = "use another model: its log-probabilities would be wrong"
        raise ModelError(f"{source.path} has {', '.join(found)}, which isn't supported", hint=hint)


def not_loadable(source: ModelSource, error: Exception) -> ModelError:
    """What to raise where the library can't load a model: it raises TypeError, KeyError and classes of its own."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        hint = "take a smaller model or dtype, or more memory"
    elif brings_code(source.path):
        reason = f": {lines[0]}" if source.runs_code else ""
        return ModelError(
            f"{source.path} can't be loaded: it needs code of its own (`auto_map`){reason}", hint=code_hint(source.path)
        )
    else:
        hint = "copy the model again"
    return ModelError(f"{source.path} can't be loaded: {' '.join(lines[:2])}", hint=hint)
