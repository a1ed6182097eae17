"""What the discriminator learns from: a student's and a teacher's response to one question."""

from collections import Counter
from collections.abc import Callable, Sequence
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
from rilctl.stages.shared.cached_responses import CachedResponses
from rilctl.stages.shared.labelled import LabelledRows
from rilctl.stages.shared.ranked import share_rejected
from rilctl.stages.shared.swaps import Swaps

StudentTexts = Callable[[str], Sequence[str]]
"""What the student said of the question with an id."""


@dataclass(frozen=True)
class Pair:
    """A student's and a teacher's response to one question."""

    sample: Sample
    student_text: str
    teacher_text: str
    swapped: Conversation | None = None
    """The question beside another picture, of which the teacher's response isn't; None: there is none."""

    @property
    def rows(self) -> list[DiscriminatorRow]:
        """The student's, the teacher's, and the teacher's beside a swapped picture where there is one."""
        asked = self.sample.conversation
        rows = [DiscriminatorRow(asked, self.student_text), DiscriminatorRow(asked, self.teacher_text)]
        return rows if self.swapped is None else [*rows, DiscriminatorRow(self.swapped, self.teacher_text)]


def pair_up(samples: Sequence[Sample], students: StudentTexts, teachers: CachedResponses) -> list[Pair]:
    """As many of one side as of the other for every question; teachers take turns.

    Args:
        samples: the questions.
        students: what the student said of the question with an id, in order.
        teachers: what the teachers said; only what is paired is read.
    """
    pairs = []
    for sample in samples:
        by_teacher: dict[str, list[int]] = {}
        for row in teachers.of(sample.id):
            by_teacher.setdefault(row.source, []).append(row.number)
        turns = [number for turn in zip_longest(*by_teacher.values()) for number in turn if number is not None]
        said = students(sample.id)
        paired = teachers.texts(turns[: len(said)])
        pairs += [Pair(sample, student, teacher) for student, teacher in zip(said, paired, strict=False)]
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
        for each in pairs:
            pair, others = _other_prompt(disc, each)
            try:
                prompt = disc.encode(pair.rows[0])  # also where it is rejected already, as it may be expected
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
    held_out = [pair for pair in pairs if _is_held_out(pair, config)]
    learned = [pair for pair in pairs if not _is_held_out(pair, config)]
    if not held_out or not learned:
        raise ArtifactError(
            f"{len(pairs)} response pairs can't be split by question into training and held-out ones",
            hint="use more questions, or another `pretrain-disc.held_out_share`",
        )
    return learned, held_out


def with_swaps(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """The pairs, each with another picture of one of their questions where there is one; see `Swaps`."""
    said: dict[str, list[str]] = {}
    for pair in pairs:
        said.setdefault(pair.sample.id, []).append(pair.teacher_text)
    swaps = Swaps([*{pair.sample.id: pair.sample for pair in pairs}.values()], said.__getitem__, seed)
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
        return pair, [disc.encode(pair.rows[2])]
    except RowError:
        return replace(pair, swapped=None), []


def _is_held_out(pair: Pair, config: PretrainDiscConfig) -> bool:
    return row_seed("held-out", config.seed, pair.sample.id) < config.held_out_share * 2**63
