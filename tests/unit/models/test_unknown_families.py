"""Families without an adapter of ours: the library's own forward, and the prompt repeated."""

import pytest
import torch
from PIL import Image

from rilctl.config.fields import LoraConfig, SamplingConfig
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.processor import EncodedPrompt
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.testing.prompts import drawn_prompt

FAMILIES = ["qwen2_vl", "llava_next"]
RESPONSES = [["answer 8", "i see 4 + 4 = 8. answer 8", "no"], ["7", "the largest is 9"], ["yes"]]


def prompts_of(vlm: Vlm) -> list[EncodedPrompt]:
    """With two, one and no pictures of several sizes."""
    pixels = torch.Generator().manual_seed(0)
    sizes = [[(56, 56), (60, 112)], [(112, 70)], []]

    def noise(size: tuple[int, int]) -> Image.Image:
        return Image.fromarray(torch.randint(0, 256, (*size, 3), generator=pixels, dtype=torch.uint8).numpy())

    pictures = [[noise(size) for size in own] for own in sizes]
    questions = ["what is the sum?", "which digit of the top row is the largest one of all?", "is it 4?"]
    return [drawn_prompt(vlm, *pair) for pair in zip(questions, pictures, strict=True)]


def encode(vlm: Vlm) -> tuple[list[EncodedPrompt], torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = [encode_response(vlm, text, stopped=True) for texts in RESPONSES for text in texts]
    prompt_of_row = torch.tensor([i for i, texts in enumerate(RESPONSES) for _ in texts])
    return prompts_of(vlm), prompt_of_row, *collate_responses(vlm, rows)


def types_for(vlm: Vlm, types: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"mm_token_type_ids": types} if vlm.model.config.model_type == "qwen2_vl" else {}


@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_equal_the_library_s_forward_of_each_row_alone(family, load):
    vlm = load(family)
    assert not vlm.family.shares_prompts
    prompts, prompt_of_row, ids_NR, mask_NR = encode(vlm)
    ours, _ = response_logprobs(vlm, prompts, prompt_of_row, ids_NR, mask_NR)
    for row, prompt_index in enumerate(prompt_of_row.tolist()):
        prompt, response = prompts[prompt_index], ids_NR[row][mask_NR[row]]
        ids = torch.cat([prompt.token_ids_P, response])[None]
        types = types_for(vlm, torch.cat([prompt.type_ids_P, torch.zeros_like(response)])[None])
        logits = vlm.model(input_ids=ids, attention_mask=torch.ones_like(ids), **types, **prompt.features).logits[0]
        expected = logits[len(prompt.token_ids_P) - 1 : -1].log_softmax(-1).gather(-1, response[:, None])[:, 0]
        torch.testing.assert_close(ours[row][mask_NR[row]], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_equal_the_library_s_and_log_probabilities_the_policy_s(family, load):
    vlm = load(family)
    prompts = prompts_of(vlm)
    answers = sample(vlm, prompts, [(0,), (0, 1), (0,)], SamplingConfig(max_new_tokens=12, temperature=0.0))
    for prompt, rows in zip(prompts, answers, strict=True):
        ids = prompt.token_ids_P[None]
        types = types_for(vlm, prompt.type_ids_P[None])
        theirs = vlm.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            **types,
            **prompt.features,
            do_sample=False,
            max_new_tokens=12,
            suppress_tokens=list(vlm.banned_ids),
        )[0, len(prompt.token_ids_P) :]
        for row in rows:
            assert row.token_ids == tuple(theirs.tolist())[: len(row.token_ids)]
    sampling = SamplingConfig(max_new_tokens=12)
    for prompt, rows in zip(prompts, sample(vlm, prompts, [(3, 4, 5)] * 3, sampling), strict=True):
        ids_NR, mask_NR = collate_responses(vlm, [row.token_ids for row in rows])
        logprobs_NR, _ = response_logprobs(
            vlm, [prompt], torch.zeros(3, dtype=torch.long), ids_NR, mask_NR, banned_ids=vlm.banned_ids
        )
        recorded = torch.tensor([logprob for row in rows for logprob in row.logprobs])
        torch.testing.assert_close(logprobs_NR[mask_NR], recorded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_same_under_checkpointing_and_reach_adapters(family, load):
    found = []
    for checkpointing in (False, True):
        vlm = load(family)
        if checkpointing:
            enable_checkpointing(vlm)
        policy = with_adapter(vlm, LoraConfig(rank=4), adapter="policy", seed=0)
        response_logprobs(policy, *encode(policy))[0].sum().backward()
        found.append(torch.cat([p.grad.flatten() for _, p in policy.trained_parameters()]))
    assert found[0].any()
    torch.testing.assert_close(*found)
