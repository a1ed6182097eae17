"""What the discriminator learns from: a student's and a teacher's response to one question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rilctl.clock import timed
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import ArtifactError, RowError
from rilctl.models.discriminator import Discriminator, DiscriminatorRow
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.schemas.records import RejectedRecord, ResponseRecord
from rilctl.stages.shared.disc_update import LabelledRows
from rilctl.stages.shared.ranked import share_rejected


@dataclass(frozen=True)
class Pair:
    """A student's and a teacher's response to one question."""

    sample: Sample
    student_text: str
    teacher_text: str


def pair_up(
    samples: Sequence[Sample],
    students: Mapping[str, Sequence[ResponseRecord]],
    teachers: Mapping[str, Sequence[ResponseRecord]],
) -> list[Pair]:
    """As many of one side as of the other for every question; teachers take turns."""
    pairs = []
    for sample in samples:
        by_teacher: dict[str, list[ResponseRecord]] = {}
        for row in teachers.get(sample.id, ()):
            by_teacher.setdefault(row.source, []).append(row)
        turns = [row for turn in zip_longest(*by_teacher.values()) for row in turn if row is not None]
        pairs += [
            Pair(sample, student.text, teacher.text)
            for student, teacher in zip(students.get(sample.id, ()), turns, strict=False)
        ]
    return pairs


def readable(pairs: Sequence[Pair]) -> tuple[list[Pair], list[RejectedRecord]]:
    """Those whose pictures can be decoded, and the questions whose can't."""
    bad: dict[str, RejectedRecord] = {}
    for sample in {pair.sample.id: pair.sample for pair in pairs}.values():
        try:
            for image in sample.images:
                image.load()
        except RowError as error:
            bad[sample.id] = RejectedRecord.of(sample.id, "student", error)
    return [pair for pair in pairs if pair.sample.id not in bad], list(bad.values())


def still_readable(
    disc: Discriminator, pairs: Sequence[Pair], rejected: dict[str, RejectedRecord], ranks: Ranks
) -> tuple[list[Pair], list[EncodedPrompt]]:
    """This rank's pairs whose pictures are as they were when the run began. Collective.

    Args:
        disc: sees them.
        pairs: of this rank.
        rejected: gets the questions of the others, of any rank, by id; they are left out from then on.
        ranks: all of them.

    Returns:
        The pairs, and what is shown of them: as long as somebody holds it, no picture is read again.
    """
    kept, prompts, new = list[Pair](), list[EncodedPrompt](), list[RejectedRecord]()
    with timed("pictures"), ranks.together():
        for pair, row in zip(pairs, labelled(pairs).rows[::2], strict=True):
            try:
                prompt = disc.encode(row)  # first, as it may be expected
            except RowError as error:
                new.append(RejectedRecord.of(pair.sample.id, "student", error))
                continue
            if pair.sample.id not in rejected:
                kept.append(pair)
                prompts.append(prompt)
    for record in share_rejected(ranks, new):
        rejected.setdefault(record.sample_id, record)
    return kept, prompts


def split(pairs: Sequence[Pair], config: PretrainDiscConfig) -> tuple[list[Pair], list[Pair]]:
    """By question: the pairs to learn, and those kept for the report.

    Raises:
        ArtifactError: there are none of one kind.
    """
    held_out = [pair for pair in pairs if _is_held_out(pair, config)]
    learned = [pair for pair in pairs if not _is_held_out(pair, config)]
    if not held_out or not learned:
        raise ArtifactError(
            f"{len(pairs)} response pairs can't be split by question into training and held-out ones",
            hint="use more questions, or another `pretrain-disc.held_out_share`",
        )
    return learned, held_out


def labelled(pairs: Sequence[Pair]) -> LabelledRows:
    """Each pair is a group: its student's row, then its teacher's."""
    rows = [
        DiscriminatorRow(pair.sample.conversation, text)
        for pair in pairs
        for text in (pair.student_text, pair.teacher_text)
    ]
    return LabelledRows(rows, [True, False] * len(pairs), [i for i in range(len(pairs)) for _ in range(2)])


def _is_held_out(pair: Pair, config: PretrainDiscConfig) -> bool:
    return row_seed("held-out", config.seed, pair.sample.id) < config.held_out_share * 2**63
