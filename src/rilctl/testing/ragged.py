"""Groups of uneven size, and gradients of their log-probabilities: what two ways to compute them are compared on."""

import torch
from PIL import Image
from torch import Tensor

from rilctl.config.fields import LoraConfig
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.sharding import Unsharded
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.testing.families import SHARING
from rilctl.testing.prompts import drawn_prompt

FAMILIES = SHARING
"""What is compared on them; see `build_models`."""
QUESTIONS = ("what is the sum?", "which digit of the top row is the largest one of all?", "is it 4?")
RESPONSES = (("answer 8", "i see 4 + 4 = 8. answer 8", "no"), ("7", "the largest is 9"), ("yes",))


class EachModuleOnce(Unsharded):
    """Asks for what ZeRO-3 needs, on weights that are all here: rows packed with their prompts in one sequence."""

    each_module_once = True


def noise(seed: int) -> Image.Image:
    """A picture of 56 x 56 random pixels."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (56, 56, 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def ragged_groups(vlm: Vlm) -> tuple[list[EncodedPrompt], Tensor, Tensor, Tensor]:
    """Ragged prompts with two, one and no pictures; three, two and one ragged responses.

    Returns:
        The prompts, prompt_of_row_N, ids_NR and mask_NR, on the model's device.
    """
    images = [[noise(0), noise(1)], [noise(2)], []] if vlm.family.sees_pictures else [[], [], []]
    prompts = [drawn_prompt(vlm, *pair) for pair in zip(QUESTIONS, images, strict=True)]
    rows = [
        encode_response(vlm, text, stopped=index % 2 == 0) for texts in RESPONSES for index, text in enumerate(texts)
    ]
    prompt_of_row_N = torch.tensor([i for i, texts in enumerate(RESPONSES) for _ in texts], device=vlm.device)
    return prompts, prompt_of_row_N, *collate_responses(vlm, rows)


def gradients(vlm: Vlm, logprobs_NR: Tensor) -> Tensor:
    """Of a weighted sum of log-probabilities, all that there are in one row."""
    vlm.model.zero_grad()
    weights = torch.linspace(-1, 1, logprobs_NR.numel(), device=logprobs_NR.device).view_as(logprobs_NR)
    (logprobs_NR * weights).sum().backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in vlm.model.parameters() if p.grad is not None])


def repeated_prompt(vlm: Vlm) -> tuple[Tensor, Tensor]:
    """Log-probabilities and gradients of `ragged_groups` with one whole sequence for each row."""
    prompts, prompt_of_row_N, ids_NR, mask_NR = ragged_groups(vlm)
    rows_N = torch.arange(len(ids_NR), device=vlm.device)
    repeated = [prompts[i] for i in prompt_of_row_N.tolist()]
    logprobs_NR, _ = response_logprobs(vlm, repeated, rows_N, ids_NR, mask_NR)
    return logprobs_NR.detach(), gradients(vlm, logprobs_NR)


def with_random_adapter(vlm: Vlm) -> Vlm:
    """The model with an adapter that makes a difference: half of a new one's weights are 0."""
    adapted = with_adapter(vlm, LoraConfig(rank=4), adapter="policy", seed=0)
    for name, parameter in adapted.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return adapted
