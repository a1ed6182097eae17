"""Which token ids end a response, and which must never be sampled, on any engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from rilctl.errors import ModelError

_PLACEHOLDERS = (
    "image_token_id",
    "image_token_index",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
)


def stop_ids(tokenizer: Any, generation_eos: object, path: Path) -> tuple[int, ...]:
    """End-of-response ids: the tokenizer's and the generation config's, but never pad if there is another.

    Raises:
        ModelError: neither names one, or the generation config names something that is no id.
    """
    others = generation_eos if isinstance(generation_eos, list | tuple) else [generation_eos]
    for other in others:
        if other is not None and not _is_id(other):
            raise ModelError(
                f"{path / 'generation_config.json'}: eos_token_id {other!r} is no token's id",
                hint="copy the model again",
            )
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
    placeholders = {value for name in _PLACEHOLDERS if _is_id(value := getattr(config, name, None))}
    padding = range(len(tokenizer), num_logits)
    banned = (special | set(tokenizer.all_special_ids) | placeholders | set(padding)) - set(stops)
    return tuple(sorted(token_id for token_id in banned if token_id < num_logits))


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
