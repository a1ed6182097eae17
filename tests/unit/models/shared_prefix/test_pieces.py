"""Prompts in pieces: the same answers for less work."""

from itertools import chain

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix import pieces
from rilctl.models.shared_prefix.pieces import compute_in_pieces
from rilctl.models.shared_prefix.prefix import compute_prefix
from rilctl.testing.families import PLAIN
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.ragged import noise


def uneven(vlm):
    pictures = [noise(1)] if vlm.family.sees_pictures else []
    texts = ["is it 4?", "what is it? " * 20, "why?", "what is the sum of all?"]
    return [drawn_prompt(vlm, text, pictures * (index % 2)) for index, text in enumerate(texts)]


@pytest.mark.parametrize("family", PLAIN)
def test_answers_are_those_of_all_prompts_at_once(family, load, monkeypatch):
    vlm = load(family)
    vlm.stop_ids = ()
    prompts, seeds = uneven(vlm), [(1, 2), (3,), (4, 5), (6,)]
    sampling = SamplingConfig(max_new_tokens=8)
    whole, together = compute_prefix(vlm, prompts), sample(vlm, prompts, seeds, sampling)
    seen = []
    vlm.model.get_input_embeddings().register_forward_hook(lambda _, ids, out: seen.append(ids[0].numel()))
    monkeypatch.setattr(pieces, "PIECE_TOKENS", 200)
    parts = compute_in_pieces(vlm, prompts)
    assert len(seen) > 1 and sum(seen) < whole.batch.mask_BP.numel()
    assert parts.batch.mask_BP.equal(whole.batch.mask_BP) and parts.next_position_B.equal(whole.next_position_B)
    torch.testing.assert_close(parts.last_hidden_BH, whole.last_hidden_BH, rtol=1e-4, atol=1e-5)
    real_B1P1 = whole.batch.mask_BP[:, None, :, None]
    for ours, theirs in zip(parts.cache.layers, whole.cache.layers, strict=True):
        torch.testing.assert_close(ours.keys, theirs.keys * real_B1P1, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.values, theirs.values * real_B1P1, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(chain(*sample(vlm, prompts, seeds, sampling)), chain(*together), strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)


def test_few_prompts_are_one_piece_and_other_language_models_compute_all_at_once(load, monkeypatch):
    vlm = load("text")
    prompts = uneven(vlm)
    few = compute_in_pieces(vlm, prompts)
    assert few.last_hidden_BH.equal(compute_prefix(vlm, prompts).last_hidden_BH)
    monkeypatch.setattr(pieces, "PIECE_TOKENS", 1)
    monkeypatch.setattr(pieces, "can_share", lambda *_: False)
    assert compute_in_pieces(vlm, prompts).last_hidden_BH.equal(few.last_hidden_BH)
