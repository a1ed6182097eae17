"""Sampling: exact token ids, one seed per row, bans, early ends."""

import math
from itertools import chain

import pytest
import torch
from PIL import Image

from rilctl.config.fields import SamplingConfig
from rilctl.models import shared_prompt
from rilctl.models.decode import keep_top, penalize, pick, sample
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts import collate_responses, encode_prompt
from rilctl.models.vlm import Vlm

FAMILIES = ["pocket-student", "pocket-teacher-internvl", "qwen3_vl", "llava", "text"]
PICTURE = Image.linear_gradient("L").resize((56, 56)).convert("RGB")


def pictures(vlm: Vlm) -> list[Image.Image]:
    return [] if vlm.family == "text" else [PICTURE]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_doesn_t_depend_on_its_neighbours(family, load):
    vlm = load(family)
    prompts = [encode_prompt(vlm, "what is the sum?", pictures(vlm)), encode_prompt(vlm, "hello there, you", [])]
    sampling = SamplingConfig(max_new_tokens=16)
    together = sample(vlm, prompts, [[1, 2, 3], [4, 5]], sampling)
    alone = [
        [sample(vlm, [prompt], [[seed]], sampling)[0][0] for seed in seeds]
        for prompt, seeds in zip(prompts, [[1, 2, 3], [4, 5]], strict=True)
    ]
    assert [[row.token_ids for row in group] for group in together] == [
        [row.token_ids for row in group] for group in alone
    ]
    assert len({row.token_ids for group in together for row in group}) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_trainer_recomputes_the_sampler_s_logprobs(family, load):
    vlm = load(family)
    prompts = [encode_prompt(vlm, "what is the sum?", pictures(vlm)), encode_prompt(vlm, "hello", [])]
    groups = sample(vlm, prompts, [[1, 2, 3], [4, 5]], SamplingConfig(max_new_tokens=16, temperature=0.7))
    rows = [row for group in groups for row in group]
    ids_NR, mask_NR = collate_responses(vlm, [row.token_ids for row in rows])
    logprobs, _ = response_logprobs(
        vlm, prompts, torch.tensor([0, 0, 0, 1, 1]), ids_NR, mask_NR, temperature=0.7, banned_ids=vlm.banned_ids
    )
    for row, own in zip(rows, logprobs, strict=True):
        torch.testing.assert_close(own[: len(row.logprobs)], torch.tensor(row.logprobs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_s_cache_may_be_shared_or_copied(family, load, monkeypatch):
    vlm = load(family)
    prompts = [encode_prompt(vlm, "what is the sum?", pictures(vlm)), encode_prompt(vlm, "hello there, you", [])]
    seeds = [list(range(40)), list(range(40, 60))]
    vlm.stop_ids = tuple(range(300, 340))  # so that some rows leave early
    shared = sample(vlm, prompts, seeds, SamplingConfig(max_new_tokens=12))
    assert len({len(row.token_ids) for group in shared for row in group}) > 1
    monkeypatch.setattr(shared_prompt, "LANGUAGE_MODELS", ())
    copied = sample(vlm, prompts, seeds, SamplingConfig(max_new_tokens=12))
    for ours, theirs in zip(chain(*shared), chain(*copied), strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_equal_the_library_s_generate(family, load):
    vlm = load(family)
    prompt = encode_prompt(vlm, "what is the sum?", pictures(vlm))
    ours = sample(vlm, [prompt], [[0]], SamplingConfig(max_new_tokens=12, temperature=0))[0][0]
    types = {"mm_token_type_ids": prompt.type_ids_P[None]} if vlm.family in ("qwen2_5_vl", "qwen3_vl") else {}
    generated = vlm.model.generate(
        input_ids=prompt.token_ids_P[None],
        attention_mask=torch.ones_like(prompt.token_ids_P)[None],
        max_new_tokens=12,
        do_sample=False,
        suppress_tokens=list(vlm.banned_ids),
        eos_token_id=list(vlm.stop_ids),
        **types,
        **prompt.features,
    )
    assert list(ours.token_ids) == generated[0, len(prompt.token_ids_P) :].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_can_t_be_sampled_even_where_the_model_wants_nothing_else(family, load):
    vlm = load(family)
    wanted = [vlm.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|endoftext|>")]
    if vlm.family != "text":
        wanted.append(vlm.model.config.image_token_id)
    assert set(wanted) <= set(vlm.banned_ids)
    with torch.no_grad():
        for token_id in wanted:  # tied head: these rows now win every argmax
            vlm.lm_head.weight[token_id] *= 100
    prompt = encode_prompt(vlm, "hello", [])
    rows = sample(vlm, [prompt], [list(range(8))], SamplingConfig(max_new_tokens=12))[0]
    assert not {i for row in rows for i in row.token_ids} & set(vlm.banned_ids)


def test_a_stop_token_ends_a_row_and_the_others_go_on(load):
    vlm = load("pocket-student")
    prompt = encode_prompt(vlm, "hello", [])
    rows = sample(vlm, [prompt], [list(range(128))], SamplingConfig(max_new_tokens=24))[0]
    stopped = [row for row in rows if row.stopped]
    assert stopped and len({len(row.token_ids) for row in stopped}) > 1
    assert all(row.token_ids[-1] in vlm.stop_ids and vlm.stop_ids[0] not in row.token_ids[:-1] for row in stopped)
    assert all(len(row.token_ids) == 24 for row in rows if not row.stopped)
    assert all(len(row.logprobs) == len(row.token_ids) for row in rows)


def test_tokens_come_with_their_probabilities():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.125, 0.125]])).repeat(4000, 1)
    uniform = torch.rand(4000, generator=torch.Generator().manual_seed(0))
    seen = torch.zeros(4000, 1, dtype=torch.long)
    tokens, logprobs, cut = pick(logits, seen, seen, uniform, SamplingConfig(temperature=1.0))
    shares = torch.bincount(tokens, minlength=4) / 4000
    # 4,000 draws: three standard errors of a share are below 0.024
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.25, 0.125, 0.125]), rtol=0, atol=0.024)
    torch.testing.assert_close(logprobs[tokens == 1][0], torch.tensor(math.log(0.25)))
    assert (cut == 0).all()


def test_top_k_and_top_p_keep_the_most_probable_and_report_what_they_cut():
    logits = torch.log(torch.tensor([[0.125, 0.5, 0.25, 0.125]]))
    assert keep_top(logits, 2, 1.0).isinf().tolist() == [[True, False, False, True]]
    assert keep_top(logits, 0, 0.6).isinf().tolist() == [[True, False, False, True]]
    assert keep_top(logits, 0, 0.5).isinf().tolist() == [[True, False, True, True]]
    seen = torch.zeros(1, 1, dtype=torch.long)
    _, _, cut = pick(logits, seen, seen, torch.tensor([0.3]), SamplingConfig(top_k=2))
    torch.testing.assert_close(cut, torch.tensor([0.25]))


def test_repetition_penalty_touches_only_tokens_that_were_seen():
    logits = torch.tensor([[2.0, -2.0, 3.0, -1.0]])
    seen, mask = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 1, 0]])
    assert penalize(logits, seen, mask, 2.0).tolist() == [[1.0, -4.0, 3.0, -1.0]]
