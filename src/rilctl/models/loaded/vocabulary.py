"""Which token ids end a response, which must never be sampled, and whether two models mean the same by them."""

from collections.abc import Sequence
from typing import Any, TypeGuard

from rilctl.errors import ModelError
from rilctl.models.families.record import Family
from rilctl.models.loaded.processor import Encoder
from rilctl.models.loaded.source import ModelSource


def stop_ids(tokenizer: Any, generation_eos: object, source: ModelSource, num_logits: int) -> tuple[int, ...]:
    """Ids that end a response, by tokenizer, generation config and family, but never pad if there is another.

    Args:
        tokenizer: the model's.
        generation_eos: `eos_token_id` of the generation config.
        source: where the model came from.
        num_logits: rows of the language-modelling head; an id behind them ends nothing.

    Raises:
        ModelError: neither names one, or the generation config names something that is no id.
    """
    others = generation_eos if isinstance(generation_eos, list | tuple) else [generation_eos]
    for other in others:
        if other is not None and not _is_id(other):
            raise ModelError(
                f"{source.path / 'generation_config.json'}: eos_token_id {other!r} is no token's id",
                hint="copy the model again",
            )
    named = {end_id(tokenizer, source.family), tokenizer.eos_token_id, *others} - {None}
    ids = {each for each in named if each < num_logits}
    if not ids:
        raise ModelError(f"{source.path} names no end-of-response token", hint="set eos_token in the tokenizer")
    return tuple(sorted(ids - {tokenizer.pad_token_id} or ids))


def end_id(tokenizer: Any, family: Family) -> int | None:
    """The id that ends a response whose author stopped; None where there is none."""
    own = None if family.end_token is None else tokenizer.convert_tokens_to_ids(family.end_token)
    found: int | None = tokenizer.eos_token_id if own in (None, tokenizer.unk_token_id) else own
    return found


def banned_ids(tokenizer: Any, config: Any, stops: Sequence[int], num_logits: int, family: Family) -> tuple[int, ...]:
    """Special tokens and placeholders but the stop ids, and ids without a token.

    Args:
        tokenizer: the model's.
        config: the model's Hugging Face configuration.
        stops: what may be sampled all the same.
        num_logits: rows of the language-modelling head.
        family: the model's.
    """
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    placeholders = {value for name in family.placeholders if _is_id(value := getattr(config, name, None))}
    padding = range(len(tokenizer), num_logits)
    banned = (special | set(tokenizer.all_special_ids) | placeholders | set(padding)) - set(stops)
    return tuple(sorted(token_id for token_id in banned if token_id < num_logits))


def refuse_other_words(student: Encoder, teacher: Encoder, ids: Sequence[int], *, name: str) -> None:
    """See that the ids that a response may have stand for the same tokens with both.

    Image placeholders and role markers may differ: they can't be sampled, and each reads the question its own way.

    Args:
        student: whose rollouts are read.
        teacher: who reads them.
        ids: those that may be sampled.
        name: the teacher's, in the recipe.

    Raises:
        ModelError: names the first that differs.
    """
    own, theirs = ({at: token for token, at in each.tokenizer.get_vocab().items()} for each in (student, teacher))
    for at in ids:
        if own.get(at) != theirs.get(at):
            has = "has no such id" if at not in theirs else f"says {theirs[at]!r} by it"
            raise ModelError(
                f"the teacher `{name}` has another vocabulary than the student: id {at} is {own.get(at)!r}, the "
                f"teacher {has}",
                hint="distil from a teacher of the student's family; of others, learn cached answers (`rilctl "
                "cache-teacher`, then `ril` or `sft.responses`)",
            )


def sampled_ids(encoder: Encoder) -> list[int]:
    """Ids of words, as far as the tokenizer alone tells them from markup; those that end a response aren't known."""
    special = {at for at, token in encoder.tokenizer.added_tokens_decoder.items() if token.special}
    return sorted(set(encoder.tokenizer.get_vocab().values()) - special - set(encoder.tokenizer.all_special_ids))


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
