"""What the discriminator learns from: a student's and a teacher's response to one question."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rilctl.clock import timed
from rilctl.config.pretrain_disc import PretrainDiscConfig
from rilctl.data.conversation import Conversation
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
from rilctl.stages.shared.swaps import Swaps


@dataclass(frozen=True, slots=True)
class Pair:
    """A student's and a teacher's response to one question; of a million of them the texts stay in their files."""

    sample: Sample
    student: Text
    teacher: Text
    swapped: Conversation | None = None
    """The question beside another picture, of which the teacher's response isn't; None: there is none."""

    @property
    def student_text(self) -> str:
        """What the student said. Raises `ArtifactError` where it can't be read."""
        return text_of(self.student)

    @property
    def teacher_text(self) -> str:
        """What the teacher said. Raises `ArtifactError` where it can't be read."""
        return text_of(self.teacher)

    @property
    def asked(self) -> list[DiscriminatorRow]:
        """Its rows but for what was said: what of them makes prompts."""
        asked = [self.sample.conversation] * 2 + ([] if self.swapped is None else [self.swapped])
        return [DiscriminatorRow(each, "") for each in asked]

    @property
    def rows(self) -> list[DiscriminatorRow]:
        """The student's, the teacher's, and the teacher's beside a swapped picture where there is one."""
        asked = self.asked
        texts = [self.student_text, *[self.teacher_text] * (len(asked) - 1)]
        return [replace(row, text=text) for row, text in zip(asked, texts, strict=True)]


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
        for each in pairs:
            pair, others = _other_prompt(disc, each)
            try:
                prompt = disc.encode(pair.asked[0])  # also where it is rejected already, as it may be expected
            except RowError as error:
                new.append(RejectedRecord.of(pair.sample.id, "student", error))
                continue
            if pair.sample.id not in rejected:
                kept.append(pair)
                prompts += [prompt, *others]
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


def with_swaps(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """The pairs, each with another picture of one of their questions where there is one; see `Swaps`."""
    said: dict[str, list[Pair]] = {}
    for pair in pairs:
        said.setdefault(pair.sample.id, []).append(pair)
    samples = [of_question[0].sample for of_question in said.values()]
    swaps = Swaps(samples, lambda name: [pair.teacher_text for pair in said[name]], seed)
    turns = Counter[str]()
    found = []
    for pair in pairs:
        other = swaps.beside(pair.sample.id, [pair.teacher_text], turn=turns[pair.sample.id])
        turns[pair.sample.id] += 1
        found.append(replace(pair, swapped=other))
    return found


def labelled(pairs: Sequence[Pair]) -> LabelledRows:
    """Each pair is a group: its student's row, its teacher's, and that beside a swapped picture."""
    rows, is_student, group_ids, own_of = list[DiscriminatorRow](), list[bool](), list[int](), dict[int, int]()
    for group, pair in enumerate(pairs):
        if pair.swapped is not None:
            own_of[len(rows) + 2] = len(rows) + 1
        rows += pair.rows
        is_student += [True, False, True][: len(pair.rows)]
        group_ids += [group] * len(pair.rows)
    return LabelledRows(rows, is_student, group_ids, own_of=own_of)


def _other_prompt(disc: Discriminator, pair: Pair) -> tuple[Pair, list[EncodedPrompt]]:
    """Without the other picture where it can't be read any more: the question that it belongs to says so."""
    if pair.swapped is None:
        return pair, []
    try:
        return pair, [disc.encode(pair.asked[2])]
    except RowError:
        return replace(pair, swapped=None), []
