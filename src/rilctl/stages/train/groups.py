"""How the groups of a step come about: rollouts of its questions, and what their teachers said of them before."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

from rilctl.clock import timed
from rilctl.config.train import TrainConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import Sample
from rilctl.data.seeds import row_seed
from rilctl.engines.generation.base import GenerationRequest, Response
from rilctl.engines.training.ranks import Ranks
from rilctl.errors import RowError
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.models.prompts.lengths import check_room
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.shared.inputs import mean
from rilctl.stages.shared.phases import phase
from rilctl.stages.shared.ranked import share_rejected
from rilctl.stages.train.asking import RolloutAsker
from rilctl.stages.train.distilling import TeacherRole
from rilctl.stages.train.rows import Group, Row
from rilctl.stages.train.teacher_rows import Picked, TeacherRows


def student_row(response: Response) -> Row:
    """A rollout as a training row."""
    assert response.token_ids is not None, "rollouts come from engines that know what they sampled"
    return Row(
        "student",
        "student",
        response.text,
        response.token_ids,
        response.finish_reason,
        sampling_logprobs=response.sampling_logprobs,
    )


def teacher_row(picked: Picked, *, in_policy: bool) -> Row:
    """What a teacher said as a training row; without `in_policy` for the discriminator alone."""
    return Row("teacher", picked.source, picked.text, picked.token_ids, picked.finish_reason, in_policy)


class Collected(NamedTuple):
    """What came of a step's questions."""

    groups: list[Group]
    """Of this rank."""
    rejected: list[RejectedRecord]
    """Questions of all ranks that could not be asked."""
    metrics: dict[str, float]
    """What the engine measured."""


@dataclass
class GroupMaker:
    """Makes groups of questions.

    Args:
        config: the `[train]` table.
        asker: asks the policy.
        prompts: see `Roles`.
        teachers: cached teacher responses as rows, where the algorithm has them.
        ranks: whose shares of the questions together are a step.
        teacher: whose distribution is learned; None: nobody's.
    """

    config: TrainConfig
    asker: RolloutAsker
    prompts: KeptPrompts
    teachers: TeacherRows | None
    ranks: Ranks
    teacher: TeacherRole | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Prompts may be encoded ahead in it."""
        with self.prompts, self.teacher.prompts if self.teacher is not None else nullcontext():
            yield

    def expect(self, conversations: Iterable[Conversation]) -> None:
        """See `KeptPrompts.expect`."""
        soon = list(conversations)
        self.prompts.expect(soon)
        if self.teacher is not None and self.teacher.prompts is not self.prompts:
            self.teacher.prompts.expect(soon)

    def collect(self, step: int, samples: Sequence[Sample]) -> Collected:
        """This rank's groups of a step's questions, which are the same on all ranks. Collective."""
        config = self.config
        own = self.ranks.share(list(enumerate(samples)))
        requests = [
            GenerationRequest(
                sample.id,
                sample.conversation,
                tuple(row_seed(config.seed, step, sample.id, index) for index in range(config.num_student_rows)),
            )
            for _, sample in own
        ]
        with timed("pictures"), self.ranks.together():
            prompts = [self._encode(sample.conversation) for _, sample in own]  # held, as the engine wants them too
        with phase("train", "rollouts"):
            answers, metrics = self.asker.rollouts(step, requests, config.sampling)
        groups, rejected = list[Group](), list[RejectedRecord]()
        with self.ranks.together():
            for (place, sample), prompt, answer in zip(own, prompts, answers, strict=True):
                if isinstance(prompt, RowError):
                    rejected.append(RejectedRecord.of(sample.id, "data", prompt))
                    continue
                if isinstance(answer, RowError):
                    rejected.append(RejectedRecord.of(sample.id, "data", answer))
                    continue
                rows = [student_row(response) for response in answer]
                if self.teachers is not None:
                    picked = self.teachers.pick(sample.id, config.num_teacher_rows, step=step)
                    rows += [teacher_row(each, in_policy=config.algorithm.teacher_rows != "off") for each in picked]
                masses = [response.truncated_mass for response in answer if response.truncated_mass is not None]
                groups.append(Group(place, sample, prompt[0], tuple(rows), mean(masses), prompt[1]))
        return Collected(groups, share_rejected(self.ranks, rejected), metrics)

    def _encode(self, conversation: Conversation) -> tuple[EncodedPrompt, EncodedPrompt | None] | RowError:
        """The question as the student reads it, and as the teacher does whose distribution is learned."""
        try:
            own = self.prompts.get(conversation)
            if self.teacher is None:
                return own, None
            theirs = self.teacher.prompts.get(conversation)
            check_room(self.teacher.vlm, len(theirs.token_ids_P), self.config.sampling.max_new_tokens)
            return own, theirs
        except RowError as error:
            return error
