"""Pairs of responses to a question: what `sft` would learn by heart, and one of the student's own."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rilctl.data.sample import Sample
from rilctl.errors import ConfigError
from rilctl.schemas.records import ResponseRecord, RolloutRecord
from rilctl.stages.sft.rows import SftRow, Unit

OwnRecord = ResponseRecord | RolloutRecord


def own_rows(samples: Iterable[Sample], records: Mapping[str, Sequence[OwnRecord]]) -> dict[str, list[SftRow]]:
    """A student's responses as rows, by sample id; empty ones say nothing."""
    return {
        sample.id: [
            SftRow(sample.id, sample.conversation, record.text, record.finish_reason != "length", "student", index)
            for index, record in enumerate(records.get(sample.id, ()))
            if record.text and record.side == "student"
        ]
        for sample in samples
    }


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
            different = [other for other in others if other.text != row.text]
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
