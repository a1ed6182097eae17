"""Which token ids end a response, and which must never be sampled, on any engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rilctl.errors import ModelError

_PLACEHOLDERS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)


def stop_ids(tokenizer: Any, generation_eos: int | Sequence[int] | None, path: Path) -> tuple[int, ...]:
    """End-of-response ids: the tokenizer's and the generation config's, but never pad if there is another.

    Raises:
        ModelError: neither names one.
    """
    others = [generation_eos] if isinstance(generation_eos, int) or generation_eos is None else generation_eos
    ids = {tokenizer.eos_token_id, *others} - {None}
    if not ids:
        raise ModelError(f"{path} names no end-of-response token", hint="set eos_token in the tokenizer")
    return tuple(sorted(ids - {tokenizer.pad_token_id} or ids))


def banned_ids(tokenizer: Any, config: Any, stops: Sequence[int], num_logits: int) -> tuple[int, ...]:
    """Special tokens and placeholders but the stop ids, and ids without a token.

    Args:
        tokenizer: the model's.
        config: the model's Hugging Face configuration.
        stops: what may be sampled all the same.
        num_logits: rows of the language-modelling head.
    """
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    placeholders = {value for name in _PLACEHOLDERS if isinstance(value := getattr(config, name, None), int)}
    padding = range(len(tokenizer), num_logits)
    banned = (special | set(tokenizer.all_special_ids) | placeholders | set(padding)) - set(stops)
    return tuple(sorted(token_id for token_id in banned if token_id < num_logits))
