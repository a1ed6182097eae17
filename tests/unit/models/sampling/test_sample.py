"""Sampling: exact token ids, one seed per row, bans, early ends."""

import math
from dataclasses import replace
from itertools import chain

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.models.sampling.sample import keep_top, penalize, pick, sample
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import FAMILIES
from rilctl.testing.sampler_contract import CHECKS, two_prompts


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_contract(family, check, load):
    check(load(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_s_keys_and_values_may_be_shared_or_copied(family, load):
    vlm = load(family)
    prompts = two_prompts(vlm)
    seeds = [list(range(40)), list(range(40, 60))]
    vlm.stop_ids = tuple(range(300, 340))  # so that some rows leave early
    shared = sample(vlm, prompts, seeds, SamplingConfig(max_new_tokens=12))
    assert len({len(row.token_ids) for group in shared for row in group}) > 1
    unlike = replace(vlm.family, plain_language_models=())
    vlm.source = replace(vlm.source, family=unlike)
    copied = sample(vlm, prompts, seeds, SamplingConfig(max_new_tokens=12))
    for ours, theirs in zip(chain(*shared), chain(*copied), strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_can_t_be_sampled_even_where_the_model_wants_nothing_else(family, load):
    vlm = load(family)
    wanted = [vlm.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|endoftext|>")]
    if vlm.family.sees_pictures:
        wanted.append(vlm.model.config.image_token_id)
    assert set(wanted) <= set(vlm.banned_ids)
    with torch.no_grad():
        for token_id in wanted:  # tied head: these rows now win every argmax
            vlm.lm_head.weight[token_id] *= 100
    prompt = drawn_prompt(vlm, "hello", [])
    rows = sample(vlm, [prompt], [list(range(8))], SamplingConfig(max_new_tokens=12))[0]
    assert not {i for row in rows for i in row.token_ids} & set(vlm.banned_ids)


def test_a_stop_token_ends_a_row_and_the_others_go_on(load):
    vlm = load("pocket-student")
    prompt = drawn_prompt(vlm, "hello", [])
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
