"""Pairs of responses to a question: what `sft` would learn by heart, and one of the student's own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rilctl.data.sample import Sample
from rilctl.errors import ConfigError
from rilctl.stages.sft.rows import SftRow, Unit
from rilctl.stages.shared.cached_responses import CachedResponses, CachedText


def own_rows(samples: Iterable[Sample], responses: CachedResponses) -> dict[str, list[SftRow]]:
    """A student's responses as rows, by sample id; empty ones say nothing. Raises `ArtifactError`, reading."""
    found: dict[str, list[SftRow]] = {}
    for sample in samples:
        said = responses.of(sample.id)
        sides = responses.sides([response.number for response in said])
        texts = [CachedText(responses, response.number) for response in said]
        found[sample.id] = [
            SftRow(sample.id, sample.conversation, text, response.finish_reason != "length", "student", index)
            for index, (response, side, text) in enumerate(zip(said, sides, texts, strict=True))
            if text and side == "student"
        ]
    return found


def pair_up(rows: Sequence[SftRow], own: Mapping[str, Sequence[SftRow]]) -> tuple[list[Unit], dict[str, int]]:
    """Each row with one of the student's own to the same question that differs from it; those take turns.

    Args:
        rows: the preferred ones, those to one question next to each other.
        own: by sample id.

    Returns:
        The pairs, and how many rows have none, by reason.

    Raises:
        ConfigError: there is no pair.
    """
    pairs, left_out = list[Unit](), Counter[str]()
    for sample_id, of_question in groupby(rows, key=lambda row: row.sample_id):
        for turn, row in enumerate(of_question):
            others = own.get(sample_id, ())
            text = row.text
            different = [other for other in others if other.text != text]
            if different:
                pairs.append((row, different[turn % len(different)]))
            else:
                left_out["same-as-own" if others else "no-own-response"] += 1
    if not pairs:
        reasons = ", ".join(f"{num:,} {reason}" for reason, num in sorted(left_out.items()))
        raise ConfigError(
            f"no response has one of the student's own to be preferred to ({reasons})",
            hint="sample more of them (`sft.preference.num_responses`), or name an artifact with responses to [data]",
        )
    return pairs, dict(sorted(left_out.items()))
