"""The shared prefix against the repeated prompt, and both against the library's own forward."""

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing, recomputing
from rilctl.models.shared_prefix.prefix import compute_prefix, group_hidden
from rilctl.testing.families import SEEING
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import (
    FAMILIES,
    QUESTIONS,
    gradients,
    noise,
    ragged_groups,
    repeated_prompt,
    with_random_adapter,
)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "checkpointing"])
@pytest.mark.parametrize("family", FAMILIES)
def test_shared_prefix_equals_one_sequence_per_row(family, checkpointing, lora, load):
    vlm = load(family)
    if lora:
        vlm = with_random_adapter(vlm)
    repeated, repeated_grad = repeated_prompt(vlm)
    if checkpointing:
        enable_checkpointing(vlm)
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    shared, _ = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
    shared_grad = gradients(vlm, shared)
    torch.testing.assert_close(shared, repeated, rtol=0, atol=1e-5)
    assert (shared_grad - repeated_grad).norm() / repeated_grad.norm() < 1e-5


@pytest.mark.parametrize("family", SEEING)
def test_every_part_of_the_vision_tower_learns(family, load):
    """Else the tests above would say nothing of pictures."""
    vlm = load(family)
    gradients(vlm, response_logprobs(vlm, *ragged_groups(vlm))[0])
    tower = [(name, p.grad) for name, p in vlm.model.named_parameters() if "vis" in name or "projector" in name]
    idle = {name for name, grad in tower if grad is None or not grad.any()}
    assert tower and all("post_layernorm" in name or "k_proj.bias" in name for name in idle), idle


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_prefix_in_half_precision(family, load):
    vlm = load(family)
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    exact = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)[0]
    vlm.dtype = torch.bfloat16
    ours = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)[0]
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, exact, rtol=0, atol=0.1)  # bfloat16 has eight bits
    exact_grad, grad = gradients(vlm, exact), gradients(vlm, ours)
    assert torch.nn.functional.cosine_similarity(grad, exact_grad, dim=0) > 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpointing_keeps_less_and_turns_nothing_else_on(family, load):
    vlm = load(family)
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    kept = []
    for _ in range(2):
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
        kept.append(sum(sizes))
        enable_checkpointing(vlm)
    assert kept[1] < kept[0] / 3
    assert not any(module.training for module in vlm.model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_that_checkpointing_threw_away_is_noticed(family, load):
    vlm = load(family)
    enable_checkpointing(vlm)
    prompts, *rows = ragged_groups(vlm)
    with recomputing(vlm), pytest.raises(RuntimeError, match="values are gone"):
        group_hidden(vlm, compute_prefix(vlm, prompts), *rows)


def test_rollouts_and_the_reference_have_their_cache_under_checkpointing(load):
    vlm = load("pocket-student")
    expected = response_logprobs(vlm, *ragged_groups(vlm))[0]
    enable_checkpointing(vlm)
    with torch.no_grad():
        assert response_logprobs(vlm, *ragged_groups(vlm))[0].equal(expected)
    prompts = ragged_groups(vlm)[0]
    sampling = SamplingConfig(max_new_tokens=4)
    rows = sample(vlm, prompts, [(1, 2)] * 3, sampling)
    assert rows == sample(load("pocket-student"), prompts, [(1, 2)] * 3, sampling)


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_equal_the_library_s_forward_of_each_row_alone(family, load):
    vlm = load(family)
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    ours, _ = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
    for row, prompt_index in enumerate(prompt_of_row.tolist()):
        prompt, response = prompts[prompt_index], ids_NR[row][mask_NR[row]]
        ids = torch.cat([prompt.token_ids_P, response])[None]
        types = torch.cat([prompt.type_ids_P, torch.zeros_like(response)])[None]
        extra = {vlm.family.types_argument: types} if vlm.family.types_argument else {}
        logits = vlm.model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra, **prompt.features).logits[0]
        expected = logits[len(prompt.token_ids_P) - 1 : -1].log_softmax(-1).gather(-1, response[:, None])[:, 0]
        torch.testing.assert_close(ours[row][mask_NR[row]], expected, rtol=0, atol=1e-5)


def test_padding_doesn_t_reach_the_logprobs(load):
    vlm = load("pocket-student")
    prompts, prompt_of_row, ids_NR, mask_NR = ragged_groups(vlm)
    wider_ids = torch.nn.functional.pad(ids_NR, (0, 5), value=7)
    wider_mask = torch.nn.functional.pad(mask_NR, (0, 5))
    narrow, _ = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
    wide, _ = response_logprobs(vlm, prompts, prompt_of_row, wider_ids, wider_mask)
    torch.testing.assert_close(wide[:, : ids_NR.shape[1]], narrow, rtol=0, atol=1e-6)
    assert (wide[:, ids_NR.shape[1] :] == 0).all()


def test_a_picture_changes_the_logprobs(load):
    vlm = load("pocket-student")
    ids_NR, mask_NR = collate_responses(vlm, [encode_response(vlm, "answer 8", stopped=True)])
    seen = []
    for seed in (0, 1):
        prompt = drawn_prompt(vlm, QUESTIONS[0], [noise(seed)])
        seen.append(response_logprobs(vlm, [prompt], torch.tensor([0]), ids_NR, mask_NR)[0])
    assert (seen[0] - seen[1]).abs().max() > 1e-4
