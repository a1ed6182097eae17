"""How many tokens a model was made to see at once."""

from typing import Any

from rilctl.models.loaded.source import ModelSource


def context_tokens(source: ModelSource) -> int | None:
    """Positions of a model's language model, stretched as its rotary positions are; None: not known."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source.path, trust_remote_code=source.runs_code).get_text_config()
    except Exception:  # on damaged files the library raises anything; who loads the model says so
        return None
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    return max(positions, _stretched(positions, getattr(config, "rope_parameters", None)))


def _stretched(positions: int, rope: Any) -> int:
    """YaRN and Llama 3 name the length that they stretch; linear and dynamic scaling stretch the one that is there."""
    if not isinstance(rope, dict) or not isinstance(factor := rope.get("factor"), int | float):
        return 0
    stretches = rope.get("rope_type") in ("linear", "dynamic")
    return int(factor * (positions if stretches else rope.get("original_max_position_embeddings") or 0))
