"""The rows of a training step: in groups that share a question, and as tensors, which go through the policy at once.

Shapes: N rows, R response tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from rilctl.algorithms.terms import Terms
from rilctl.config.train import TrainConfig
from rilctl.data.micro_batches import GroupSize, micro_batches
from rilctl.data.sample import Sample
from rilctl.engines.training.ranks import Ranks
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.prompts.encode import collate_responses
from rilctl.schemas.records import FinishReason, Side

ResponseInputs = tuple[Sequence[EncodedPrompt], Tensor, Tensor, Tensor]
"""Prompts, prompt_of_row_N, token_ids_NR, mask_NR: what a model's log-probabilities are computed from."""


@dataclass(frozen=True)
class Row:
    """One response of a group: as it was sampled or cached, and what `rewarded` says of it once it is known.

    Args:
        side: student rollout or cached teacher response.
        source: `student`, or the teacher's name.
        text: decoded.
        token_ids: what the policy is trained on: as sampled, or a teacher's text tokenised once.
        finish_reason: why it ended.
        in_policy: whether it belongs to the policy's group; a teacher row may serve the discriminator alone.
        sampling_logprobs: of each token as the engine sampled it; None for a teacher's.
        disc_logit: high for a student's; None: there is no discriminator, or the logit isn't finite.
        rewards: by name, before they are weighted; None: no verdict.
        reward: their weighted sum; None: nothing is learned from the row.
        advantage: how much more than its group's mean that is.
    """

    side: Side
    source: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    in_policy: bool = True
    sampling_logprobs: tuple[float, ...] | None = None
    disc_logit: float | None = None
    rewards: Mapping[str, float | None] = field(default_factory=dict)
    reward: float | None = None
    advantage: float = 0.0


@dataclass(frozen=True)
class Group:
    """All rows share the prompt.

    Args:
        place: among the step's questions, which all ranks count alike.
        sample: the question.
        prompt: its encoding.
        rows: student rows, then teacher rows.
        truncated_mass: probability that top-p and top-k cut away, mean over the rollouts; None where nobody can tell.
        teacher_prompt: the question as the teacher reads it whose distribution is learned; None: there is no such one.
    """

    place: int
    sample: Sample
    prompt: EncodedPrompt
    rows: tuple[Row, ...]
    truncated_mass: float | None = 0.0
    teacher_prompt: EncodedPrompt | None = None

    @property
    def policy_rows(self) -> list[Row]:
        """The rows that the policy learns from."""
        return [row for row in self.rows if row.in_policy]


def rows_of(groups: Sequence[Group]) -> list[tuple[Group, Row]]:
    """All rows in order, each with its group."""
    return [(group, row) for group in groups for row in group.rows]


@dataclass(frozen=True)
class MicroBatch:
    """The policy rows of whole groups; none where another rank has a micro-batch more.

    Args:
        prompts: one for each group.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        terms: what the loss is made of, as far as it is known before the first forward pass.
        teacher_prompts: one for each group where a teacher's distribution is learned, else none.
    """

    prompts: Sequence[EncodedPrompt]
    prompt_of_row_N: Tensor
    token_ids_NR: Tensor
    terms: Terms
    teacher_prompts: Sequence[EncodedPrompt] = ()

    @property
    def mask_NR(self) -> Tensor:
        """True at real tokens."""
        return self.terms.mask_NR

    @property
    def inputs(self) -> ResponseInputs:
        """All of them."""
        return self.prompts, self.prompt_of_row_N, self.token_ids_NR, self.mask_NR

    def students(self) -> ResponseInputs:
        """Those of student rows."""
        student_N = ~self.terms.teacher_N
        return self.prompts, self.prompt_of_row_N[student_N], self.token_ids_NR[student_N], self.mask_NR[student_N]

    def knowing(self, **logprobs_NR: Tensor) -> "MicroBatch":
        """With terms of the loss that were computed since."""
        return replace(self, terms=replace(self.terms, **logprobs_NR))


def micro_batch(policy: Vlm, groups: Sequence[Group], *, corrects_sampler: bool) -> MicroBatch:
    """The groups' policy rows on the policy's device.

    Args:
        policy: reads them.
        groups: whole ones, rewarded.
        corrects_sampler: whether the engine's log-probabilities are wanted.
    """
    device = policy.device
    rows = [row for group in groups for row in group.policy_rows]
    prompt_of_row = [index for index, group in enumerate(groups) for _ in group.policy_rows]
    token_ids_NR, mask_NR = collate_responses(policy, [row.token_ids for row in rows])
    sampling_NR = None
    if corrects_sampler:
        values_NR = torch.zeros(mask_NR.shape)
        for row, values_R in zip(rows, values_NR, strict=True):
            if row.sampling_logprobs is not None:  # not a teacher's
                values_R[: len(row.sampling_logprobs)] = torch.tensor(row.sampling_logprobs)
        sampling_NR = values_NR.to(device)
    terms = Terms(
        frozen_NR=None,
        ref_NR=None,
        sampling_NR=sampling_NR,
        advantages_N=torch.tensor([row.advantage for row in rows], device=device, dtype=torch.float32),
        mask_NR=mask_NR,
        teacher_N=torch.tensor([row.side == "teacher" for row in rows], device=device, dtype=torch.bool),
        rewarded_N=torch.tensor([row.reward is not None for row in rows], device=device, dtype=torch.bool),
    )
    prompt_of_row_N = torch.tensor(prompt_of_row, device=device, dtype=torch.long)
    teachers = [group.teacher_prompt for group in groups if group.teacher_prompt is not None]
    return MicroBatch([group.prompt for group in groups], prompt_of_row_N, token_ids_NR, terms, teachers)


def cut_groups(config: TrainConfig, policy: Vlm, ranks: Ranks, groups: Sequence[Group]) -> Iterator[MicroBatch]:
    """The groups' policy rows, see `micro_batches`; empty ones where another rank has more. Collective."""
    sizes = [
        GroupSize(
            len(group.prompt.token_ids_P),
            len(group.policy_rows),
            max(len(row.token_ids) for row in group.policy_rows),
        )
        for group in groups
    ]
    parts = list(micro_batches(sizes, config.engine.tokens_per_micro_batch))
    for picks in ranks.padded(parts, [], least=int(policy.stand_in is not None)):
        picked = [groups[pick] for pick in sorted(picks)]
        yield micro_batch(policy, picked, corrects_sampler=config.corrects_sampler)
