"""The product of patches against the convolution."""

import copy

import pytest
import torch
from torch import nn

from rilctl.models.loaded.patch_embedding import PatchEmbedding, multiply_patches


@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_convolution(bias):
    plain = nn.Conv3d(3, 8, (2, 14, 14), (2, 14, 14), bias=bias)
    ours = copy.deepcopy(plain)
    multiply_patches(nn.Sequential(ours))
    assert type(ours) is PatchEmbedding
    assert ours.state_dict().keys() == plain.state_dict().keys()
    patches = torch.randn(5, 3, 2, 14, 14)
    expected, found = plain(patches), ours(patches)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    weights = torch.randn_like(expected)
    for out in (expected, found):
        (out * weights).sum().backward()
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-4)


def test_a_whole_picture_is_still_convolved():
    layer = nn.Conv3d(3, 8, (2, 14, 14), (2, 14, 14))
    picture = torch.randn(1, 3, 4, 28, 28)
    expected = layer(picture)
    multiply_patches(nn.Sequential(layer))
    assert layer(picture).equal(expected)


@pytest.mark.parametrize("options", [{"stride": 1}, {"stride": 2, "padding": 1}, {"stride": 2, "dilation": 2}])
def test_other_convolutions_are_left_alone(options):
    layer = nn.Conv3d(4, 8, 2, **options)
    multiply_patches(nn.Sequential(layer))
    assert type(layer) is nn.Conv3d


@pytest.mark.parametrize("family", ["pocket-student", "qwen3_vl"])
def test_models_that_are_given_patches_have_it(family, load):
    assert any(isinstance(module, PatchEmbedding) for module in load(family).model.modules())
