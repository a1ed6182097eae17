"""Steps that are made to be replayed, called one by one: a CPU can't record them."""

import pytest
import torch

from rilctl.config.fields import SamplingConfig
from rilctl.models.sampling import decoding
from rilctl.models.sampling import recorded as decoding_recorded
from rilctl.models.sampling.sample import sample
from rilctl.testing.families import PLAIN
from rilctl.testing.ragged import ragged_groups


@pytest.mark.parametrize("family", PLAIN)
def test_replayed_steps_sample_the_same(family, load, monkeypatch):
    vlm, sampling = load(family), SamplingConfig(max_new_tokens=24, temperature=1.3)
    vlm.stop_ids = (*vlm.stop_ids, *range(0, len(vlm.tokenizer), 16))  # so that rows end, one by one
    prompts, seeds = ragged_groups(vlm)[0], [range(5), range(5, 9), range(9, 12)]
    expected = sample(vlm, prompts, seeds, sampling)
    numbers = sorted(len(row.token_ids) for group in expected for row in group)
    assert numbers[0] < numbers[6] < numbers[-1]
    recorded = []
    monkeypatch.setattr(decoding_recorded, "Recorded", lambda step: recorded.append(step()) or step)
    monkeypatch.setattr(decoding, "SharedDecoding", decoding_recorded.RecordedDecoding)
    found = sample(vlm, prompts, seeds, sampling)
    assert len(recorded) == 1
    for ours, theirs in zip(found, expected, strict=True):
        for own, other in zip(ours, theirs, strict=True):
            assert own.token_ids == other.token_ids
            torch.testing.assert_close(own.logprobs, other.logprobs, rtol=0, atol=1e-5)
