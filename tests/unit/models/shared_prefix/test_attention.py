"""An attention put together from two parts is the attention over all keys."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from rilctl.models.shared_prefix.attention import SharedPrompt

N, HEADS, KV, P, R, D = 5, 4, 2, 6, 3, 8


def plain(query: Tensor, own_keys: Tensor, own_values: Tensor, keys: Tensor, values: Tensor, mask_BP: Tensor) -> Tensor:
    """Row by row and head by head; a row's tokens see their prompt's real tokens and their own row up to themselves."""
    rows = []
    for row, prompt in enumerate(ROWS.tolist()):
        heads = []
        for head in range(HEADS):
            kv = head // (HEADS // KV)
            all_keys = torch.cat([keys[prompt, kv], own_keys[row, kv]])
            sees = torch.cat([mask_BP[prompt].bool().expand(R, P), torch.ones(R, R, dtype=torch.bool).tril()], 1)
            scores = (query[row, head] @ all_keys.T / D**0.5).masked_fill(~sees, -torch.inf)
            heads.append(scores.softmax(-1) @ torch.cat([values[prompt, kv], own_values[row, kv]]))
        rows.append(torch.stack(heads))
    return torch.stack(rows)


ROWS = torch.tensor([1, 0, 1, 1, 0])
MASK_BP = torch.tensor([[0, 0, 1, 1, 1, 1], [1] * P])


def tensors() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(N, HEADS, R, D), (N, KV, R, D), (N, KV, R, D), (2, KV, P, D), (2, KV, P, D)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("mask_BP", [MASK_BP, torch.ones_like(MASK_BP)], ids=["ragged", "equal"])
def test_blocks_and_their_gradients(mask_BP):
    inputs, weights = tensors(), torch.linspace(-1, 1, N * HEADS * R * D).view(N, HEADS, R, D)
    layer = SimpleNamespace(prompt_keys_BKPD=inputs[3], prompt_values_BKPD=inputs[4])
    ours = SharedPrompt(mask_BP, ROWS).attend(*inputs[:3], layer, D**-0.5)
    expected = plain(*inputs, mask_BP)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    grads = [torch.autograd.grad((out * weights).sum(), inputs) for out in (ours, expected)]
    for own, other in zip(*grads, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_newest_token_alone():
    query, *rest = tensors()
    layer = SimpleNamespace(prompt_keys_BKPD=rest[2], prompt_values_BKPD=rest[3], unseen_111R=None)
    ours = SharedPrompt(MASK_BP, ROWS).attend_last(query[:, :, -1:], *rest[:2], layer, D**-0.5)
    torch.testing.assert_close(ours, plain(query, *rest, MASK_BP)[:, :, -1:], rtol=1e-5, atol=1e-6)
