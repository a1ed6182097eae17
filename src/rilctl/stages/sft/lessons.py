"""What `sft` does with a unit of rows: learn them by heart, or prefer one to the other. Shapes: N rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rilctl.algorithms.preference import IMPLICIT_REWARDS, preference_loss, preference_sums
from rilctl.clock import timed
from rilctl.config.preference import PreferenceConfig
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses
from rilctl.stages.sft.passes import EncodedRow, Pass, in_one, one_by_one, passes_loss


class Lesson(Protocol):
    """How units become a loss."""

    needs_all: bool
    """Whether a unit with a bad row is of no use; otherwise its other rows are learned."""

    def passes(self, rows: Sequence[EncodedRow]) -> list[Pass]:
        """What goes through the model for a unit's good rows."""

    def count(self, passes: Sequence[Pass]) -> int:
        """How many of what the loss is a mean over they have."""

    def loss(self, passes: Sequence[Pass], denominator: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The passes' share in the loss, and in the batch's other metrics, which are sums; of none, zero.

        Args:
            passes: of a micro-batch; none where another rank has one more.
            denominator: what `count` says of the whole batch.
        """


@dataclass
class ByHeart:
    """Each token of each row counts alike.

    Args:
        vlm: the student.
        warn: told once where a conversation's answers can't be learned in one pass.
    """

    vlm: Vlm
    warn: Callable[[str], object]
    needs_all = False
    _has_warned: bool = False

    def passes(self, rows: Sequence[EncodedRow]) -> list[Pass]:
        """See `Lesson`; in one pass where they can be."""
        if len(rows) < 2 or not self.vlm.family.shares_prompts:
            return one_by_one(rows)
        together = in_one(rows)
        if together is not None:
            return [together]
        if not self._has_warned:
            self._has_warned = True
            self.warn("the chat template shows earlier answers otherwise than they are learned: a pass for each answer")
        return one_by_one(rows)

    def count(self, passes: Sequence[Pass]) -> int:
        """Tokens."""
        return sum(each.num_learned for each in passes)

    def loss(self, passes: Sequence[Pass], denominator: int) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Lesson`: negative log-likelihood."""
        return passes_loss(self.vlm, passes) / denominator, {}


@dataclass
class Prefer:
    """The first row of a unit is preferred to the second one. Pictures and prompt are computed once for the two.

    Args:
        vlm: the student.
        reference: the student before it learned; None: the loss needs none.
        config: the `[sft.preference]` table.
    """

    vlm: Vlm
    reference: Vlm | None
    config: PreferenceConfig
    needs_all = True

    def passes(self, rows: Sequence[EncodedRow]) -> list[Pass]:
        """See `Lesson`; none unless both rows are good."""
        if len(rows) != 2:
            return []
        (prompt, preferred), (_, dispreferred) = rows
        return [Pass(prompt, (preferred, dispreferred))]

    def count(self, passes: Sequence[Pass]) -> int:
        """Pairs."""
        return len(passes)

    def loss(self, passes: Sequence[Pass], denominator: int) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Lesson`, and `preference_loss`."""
        prompts, rows = (
            [each.prompt for each in passes],
            [(i, ids) for i, each in enumerate(passes) for ids in each.answers],
        )
        ids_NR, mask_NR = collate_responses(self.vlm, [ids for _, ids in rows])
        prompt_of_row_N = torch.tensor([place for place, _ in rows], device=self.vlm.device, dtype=torch.long)
        inputs, ref_NR = (prompts, prompt_of_row_N, ids_NR, mask_NR), None
        if self.reference is not None:  # before the policy's forward pass: the two may share weights
            ref_NR = torch.zeros(mask_NR.shape, device=self.vlm.device)
            if passes or self.reference.stand_in is not None:
                with timed("reference"), torch.no_grad():
                    ref_NR = response_logprobs(self.reference, *inputs)[0]
        policy_NR, _ = response_logprobs(self.vlm, *inputs)
        logprobs_N = policy_NR.detach().sum(dim=1)
        rewards_N = self.config.beta * IMPLICIT_REWARDS[self.config.record.reward](policy_NR, ref_NR, mask_NR)
        loss = preference_loss(rewards_N[0::2], rewards_N[1::2], margin=self.config.margin, num_pairs=denominator)
        sums = preference_sums(rewards_N.detach()[0::2], rewards_N.detach()[1::2], logprobs_N[0::2], logprobs_N[1::2])
        return loss, {name: value / denominator for name, value in sums.items()}
