"""Who waits for a batch is told how far it is, and may end it."""

import pytest
import torch
from torch import nn

from rilctl.config.fields import SamplingConfig
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.sampling.sample import sample
from rilctl.testing.families import SHARING
from rilctl.testing.sampler_contract import SEEDS, two_prompts

FAMILIES = (*SHARING, "llava_next")
"""The last one doesn't share its prompts: each is sampled by itself."""
SAMPLING = SamplingConfig(max_new_tokens=6)


class StopError(Exception):
    """What a listener ends a batch with."""


def num_hooks(vlm: Vlm) -> int:
    return sum(len(module._forward_pre_hooks) for module in vlm.model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_told_within_the_prompts_and_at_every_token(family, load):
    vlm, told = load(family), list[int]()
    vlm.stop_ids = ()
    rows = sample(vlm, two_prompts(vlm), SEEDS, SAMPLING, between_tokens=told.append)
    assert rows == sample(vlm, two_prompts(vlm), SEEDS, SAMPLING)
    assert set(told) == set(range(6))
    num_linear = sum(isinstance(module, nn.Linear) for module in vlm.model.get_decoder().modules())
    assert told.count(0) > num_linear  # of each family more than of the language model's layers
    num_layers = vlm.model.config.get_text_config().num_hidden_layers
    assert all(told.count(num) > num_layers for num in range(1, 5))
    assert not num_hooks(vlm)


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_may_end_a_batch_after_which_the_model_is_as_before(family, at, load):
    vlm = load(family)
    vlm.stop_ids = ()
    before = sample(vlm, two_prompts(vlm), SEEDS, SAMPLING)

    def stop(num_tokens: int) -> None:
        told.append(num_tokens)
        if num_tokens == at and len(told) > 5:
            raise StopError

    told = list[int]()
    with pytest.raises(StopError):
        sample(vlm, two_prompts(vlm), SEEDS, SAMPLING, between_tokens=stop)
    assert max(told) == at
    assert not num_hooks(vlm) and not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert sample(vlm, two_prompts(vlm), SEEDS, SAMPLING) == before
