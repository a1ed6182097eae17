"""What sampling must do with every model on every device: checks for a model that is loaded.

`for check in CHECKS: check(vlm)` is the contract.
"""

from collections.abc import Callable

import torch
from PIL import Image

from rilctl.config.fields import SamplingConfig
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_prompts, collate_responses
from rilctl.models.sampling.sample import sample
from rilctl.testing.prompts import drawn_prompt

SEEDS = ((1, 2, 3), (4, 5))
PICTURE = Image.linear_gradient("L").resize((56, 56)).convert("RGB")


def two_prompts(vlm: Vlm) -> list[EncodedPrompt]:
    """Of uneven length, the first one with a picture where the model sees."""
    pictures = [PICTURE] if vlm.family.sees_pictures else []
    return [drawn_prompt(vlm, "what is the sum?", pictures), drawn_prompt(vlm, "hello there, you", [])]


def a_row_doesnt_depend_on_its_neighbours(vlm: Vlm) -> None:
    """Alone it has the same tokens."""
    prompts, sampling = two_prompts(vlm), SamplingConfig(max_new_tokens=16)
    together = sample(vlm, prompts, SEEDS, sampling)
    for prompt, seeds, rows in zip(prompts, SEEDS, together, strict=True):
        alone = [sample(vlm, [prompt], [[seed]], sampling)[0][0] for seed in seeds]
        assert [row.token_ids for row in rows] == [row.token_ids for row in alone]
    assert len({row.token_ids for group in together for row in group}) == 5


def the_trainer_recomputes_its_logprobs(vlm: Vlm) -> None:
    """Recorded log-probabilities are those of the training forward pass."""
    prompts = two_prompts(vlm)
    groups = sample(vlm, prompts, SEEDS, SamplingConfig(max_new_tokens=16, temperature=0.7))
    rows = [row for group in groups for row in group]
    ids_NR, mask_NR = collate_responses(vlm, [row.token_ids for row in rows])
    prompt_of_row_N = torch.tensor([0, 0, 0, 1, 1], device=vlm.device)
    logprobs_NR, _ = response_logprobs(
        vlm, prompts, prompt_of_row_N, ids_NR, mask_NR, temperature=0.7, banned_ids=vlm.banned_ids
    )
    recorded_T = torch.tensor([logprob for row in rows for logprob in row.logprobs], device=vlm.device)
    torch.testing.assert_close(logprobs_NR[mask_NR], recorded_T, rtol=0, atol=1e-5)


def greedy_tokens_equal_the_librarys_generate(vlm: Vlm) -> None:
    """Token by token."""
    prompt = two_prompts(vlm)[0]
    ours = sample(vlm, [prompt], [[0]], SamplingConfig(max_new_tokens=12, temperature=0))[0][0]
    batch = collate_prompts(vlm, [prompt])
    types = {vlm.family.types_argument: batch.type_ids_BP} if vlm.family.types_argument else {}
    generated = vlm.model.generate(
        input_ids=batch.token_ids_BP,
        attention_mask=batch.mask_BP,
        max_new_tokens=12,
        do_sample=False,
        suppress_tokens=list(vlm.banned_ids),
        eos_token_id=list(vlm.stop_ids),
        **types,
        **batch.features,
    )
    assert list(ours.token_ids) == generated[0, len(prompt.token_ids_P) :].tolist()


CHECKS: tuple[Callable[[Vlm], None], ...] = (
    a_row_doesnt_depend_on_its_neighbours,
    the_trainer_recomputes_its_logprobs,
    greedy_tokens_equal_the_librarys_generate,
)
