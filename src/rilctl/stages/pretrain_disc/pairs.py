"""What the discriminator learns from: a student's and a teacher's response to one question."""

from collections.abc import Sequence
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
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.cached_responses import CachedResponses, CachedText, Text, text_of
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.shared.ranked import share_rejected


@dataclass(frozen=True, slots=True)
class Pair:
    """A student's and a teacher's response to one question; of a million of them the texts stay in their files."""

    sample: Sample
    student: Text
    teacher: Text

    @property
    def student_text(self) -> str:
        """What the student said. Raises `ArtifactError` where it can't be read."""
        return text_of(self.student)

    @property
    def teacher_text(self) -> str:
        """What the teacher said. Raises `ArtifactError` where it can't be read."""
        return text_of(self.teacher)

    @property
    def asked(self) -> DiscriminatorRow:
        """Either row but for what was said: what of it makes a prompt."""
        return DiscriminatorRow(self.sample.conversation, "")


def pair_up(samples: Sequence[Sample], students: CachedResponses, teachers: CachedResponses) -> list[Pair]:
    """As many of one side as of the other for every question; teachers take turns. No text is read.

    Args:
        samples: the questions.
        students: what the student said.
        teachers: what the teachers said.
    """
    pairs = []
    for sample in samples:
        by_teacher: dict[str, list[int]] = {}
        for row in teachers.of(sample.id):
            by_teacher.setdefault(row.source, []).append(row.number)
        turns = [number for turn in zip_longest(*by_teacher.values()) for number in turn if number is not None]
        pairs += [
            Pair(sample, CachedText(students, said), CachedText(teachers, paired))
            for said, paired in zip(students.numbers(sample.id).tolist(), turns, strict=False)
        ]
    return pairs


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
        for pair in pairs:
            try:
                prompt = disc.encode(pair.asked)  # also where it is rejected already, as it may be expected
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
    names = {pair.sample.id for pair in pairs}
    kept = {name for name in names if row_seed("held-out", config.seed, name) < config.held_out_share * 2**63}
    held_out = [pair for pair in pairs if pair.sample.id in kept]
    learned = [pair for pair in pairs if pair.sample.id not in kept]
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
    return LabelledRows(rows, [True, False] * len(pairs), [index for index in range(len(pairs)) for _ in range(2)])
