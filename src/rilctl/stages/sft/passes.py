"""What goes through the model at once: a prompt and its responses, or a conversation with all its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rilctl.algorithms.logprobs import negative_log_likelihood
from rilctl.data.micro_batches import GroupSize
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_loss
from rilctl.models.prompts.encode import collate_responses

EncodedRow = tuple[EncodedPrompt, tuple[int, ...]]
"""A prompt, and the tokens of its response."""


@dataclass(frozen=True)
class Pass:
    """A prompt that is computed once.

    Args:
        prompt: what a response follows, or a whole conversation, answers included.
        answers: the tokens to learn.
        starts: where each answer's first token stands in the conversation; none: each answer follows the prompt.
    """

    prompt: EncodedPrompt
    answers: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...] = ()

    @property
    def num_learned(self) -> int:
        """Tokens that carry loss."""
        return sum(map(len, self.answers))

    @property
    def size(self) -> GroupSize:
        """What it costs."""
        if self.starts:
            return GroupSize(len(self.prompt.token_ids_P), 1, 0)
        return GroupSize(len(self.prompt.token_ids_P), len(self.answers), max(map(len, self.answers)))


def one_by_one(rows: Sequence[EncodedRow]) -> list[Pass]:
    """A pass for each row."""
    return [Pass(prompt, (token_ids,)) for prompt, token_ids in rows]


def in_one(rows: Sequence[EncodedRow]) -> Pass | None:
    """All answers of a conversation in the sequence of the last one; None: an earlier row isn't how that one begins.

    Its hidden states are those of one row for each answer, since no token sees a later one. Templates that drop
    earlier thoughts or change earlier answers make other prompts of them.
    """
    prompt, last = rows[-1]
    ids_T = torch.cat([prompt.token_ids_P, torch.tensor(last)])
    for earlier, token_ids in rows:
        begins = torch.cat([earlier.token_ids_P, torch.tensor(token_ids)])
        if not torch.equal(ids_T[: len(begins)], begins):
            return None
    types_T = torch.nn.functional.pad(prompt.type_ids_P, (0, len(last)))
    whole = replace(prompt, token_ids_P=ids_T, type_ids_P=types_T)
    return Pass(whole, tuple(ids for _, ids in rows), tuple(len(earlier.token_ids_P) for earlier, _ in rows))


def passes_loss(vlm: Vlm, passes: Sequence[Pass]) -> Tensor:
    """Negative log-likelihood of all answers, summed over their tokens."""
    if any(each.starts for each in passes):
        passes = [each if each.starts else _with_answer(each) for each in passes]
    rows = [(place, answer) for place, each in enumerate(passes) for answer in each.answers]
    ids_NR, mask_NR = collate_responses(vlm, [answer for _, answer in rows])
    starts = [start for each in passes for start in each.starts]
    return response_loss(
        vlm,
        [each.prompt for each in passes],
        torch.tensor([place for place, _ in rows], dtype=torch.long),
        ids_NR,
        mask_NR,
        negative_log_likelihood,
        start_of_row_N=torch.tensor(starts, device=vlm.device) if starts else None,
    )[0]


def _with_answer(single: Pass) -> Pass:
    together = in_one([(single.prompt, single.answers[0])])
    assert together is not None
    return together
