"""The student's distance to a teacher on its own responses; both read the question their own way.

Shapes: N rows, R response tokens, T real tokens, K hidden of the teacher.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rilctl.algorithms.distillation import Distillation, reverse_kl
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import head_of, token_hidden
from rilctl.models.shared_prefix.prefix import Prefix


def distillation(
    vlm: Vlm,
    teacher: Vlm,
    prompts: Sequence[EncodedPrompt],
    teacher_prompts: Sequence[EncodedPrompt],
    prompt_of_row_N: Tensor,
    token_ids_NR: Tensor,
    mask_NR: Tensor,
    *,
    scale: float,
    temperature: float = 1.0,
    prefix: Prefix | None = None,
) -> Distillation:
    """See `reverse_kl`; the student's bans hold for both.

    Args:
        vlm: the student.
        teacher: whose weights don't train.
        prompts: as the student reads them.
        teacher_prompts: the same questions as the teacher reads them.
        prompt_of_row_N: index of each row's prompt.
        token_ids_NR: responses, padded on the right.
        mask_NR: True at real tokens.
        scale: see `reverse_kl`.
        temperature: > 0; divides the logits of both.
        prefix: the student's prompts, where they are computed already.
    """
    found: list[Distillation] = []

    def compute(teacher_TK: Tensor) -> Distillation:
        with vlm.forward_pass():
            hidden_TH = token_hidden(vlm, prompts, prompt_of_row_N, token_ids_NR, mask_NR, prefix)
            head = head_of(vlm, temperature, vlm.banned_ids)
            ids_T = token_ids_NR[mask_NR]
            return reverse_kl(hidden_TH, teacher_TK, ids_T, head, teacher.lm_head.weight, scale=scale)

    def beside_teacher() -> None:
        """Gives nothing back: where the teacher's weights are divided, a gradient would be led through it."""
        with torch.no_grad(), teacher.forward_pass():
            teacher_TK = token_hidden(teacher, teacher_prompts, prompt_of_row_N, token_ids_NR, mask_NR)
        found.append(vlm.sharding.run(lambda: compute(teacher_TK)))

    teacher.sharding.run(beside_teacher)
    return found[0]
