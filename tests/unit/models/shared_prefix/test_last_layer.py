"""The last layer for wanted tokens alone, against all of it."""

import pytest
import torch

from rilctl.models.shared_prefix.form import response_hidden, response_last_hidden
from rilctl.testing.ragged import FAMILIES, gradients, ragged_groups, with_random_adapter


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_token_s_hidden_state_is_the_same(family, lora, load):
    vlm = load(family)
    if lora:
        vlm = with_random_adapter(vlm)
    rows = ragged_groups(vlm)
    every, num_tokens = response_hidden(vlm, *rows), rows[-1].sum(1)
    assert len(set(num_tokens.tolist())) > 1
    wanted = every[torch.arange(len(num_tokens)), num_tokens]
    ours = response_last_hidden(vlm, *rows)
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-5)
    wanted_grad, grad = gradients(vlm, wanted), gradients(vlm, ours)
    assert (grad - wanted_grad).norm() / wanted_grad.norm() < 1e-5


def test_less_is_computed(load):
    vlm = load("pocket-student")
    widths = []
    vlm.model.get_decoder().layers[-1].mlp.register_forward_hook(lambda _, args, out: widths.append(args[0].shape[1]))
    response_last_hidden(vlm, *ragged_groups(vlm))
    assert widths == [1, 1]  # the prompts' pass and the rows'


def test_a_row_without_tokens_has_its_prompt_s_hidden_state(load):
    vlm = load("pocket-student")
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    mask_NR[0] = False
    ours = response_last_hidden(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
    wanted = response_hidden(vlm, prompts, prompt_of_row, ids_NR, mask_NR)[0, 0]
    torch.testing.assert_close(ours[0], wanted, rtol=0, atol=1e-5)
