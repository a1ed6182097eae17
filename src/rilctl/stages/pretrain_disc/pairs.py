"""What the discriminator learns from: a student's and a teacher's response to one question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.errors import ArtifactError, RowError
from rilctl.models.discriminator import DiscriminatorRow
from rilctl.schemas.records import RejectedRecord, ResponseRecord
from rilctl.stages.shared.disc_update import LabelledRows


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
