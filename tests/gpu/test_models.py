"""The shared prompt against the repeated prompt, and sampling, with a GPU's kernels."""

import gc
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from rilctl.config.fields import SamplingConfig
from rilctl.models.loaded.vlm import Vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.sampling import sample as decode
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix import form
from rilctl.models.shared_prefix.attention import SharedPrompt
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.models.shared_prefix.form import PACKED_TOKENS
from rilctl.private.flash import has_flash
from rilctl.testing.ragged import FAMILIES, gradients, ragged_groups, repeated_prompt, with_random_adapter
from rilctl.testing.sampler_contract import CHECKS, SEEDS, two_prompts

from .conftest import DEVICE, LoadVlm

FUSED = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


@pytest.mark.parametrize(
    ("kernels", "bound"),
    [([SDPBackend.MATH], 1e-5), (FUSED, 1e-4)],  # a fused kernel makes float32 products of three shorter ones
    ids=["plain", "fused"],
)
@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("packs", [False, True], ids=["group", "packed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_shared_prompt_equals_the_repeated_prompt(
    family: str,
    packs: bool,
    lora: bool,
    kernels: list[SDPBackend],
    bound: float,
    load: LoadVlm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vlm = load(family)
    monkeypatch.setattr(form, "PACKED_TOKENS", PACKED_TOKENS if packs else 0)
    if lora:
        vlm = with_random_adapter(vlm)
    with sdpa_kernel(kernels):
        expected_NR, expected_grad = repeated_prompt(vlm)
        logprobs_NR, _ = response_logprobs(vlm, *ragged_groups(vlm))
        grad = gradients(vlm, logprobs_NR)
    torch.testing.assert_close(logprobs_NR, expected_NR, rtol=0, atol=bound)
    assert (grad - expected_grad).norm() / expected_grad.norm() < bound


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "checkpointing"])
@pytest.mark.parametrize("packs", [False, True], ids=["group", "packed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_shared_prompt_under_bfloat16(
    family: str, packs: bool, checkpointing: bool, load: LoadVlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load(family)
    monkeypatch.setattr(form, "PACKED_TOKENS", PACKED_TOKENS if packs else 0)
    exact_NR, exact_grad = repeated_prompt(vlm)
    vlm.dtype = torch.bfloat16
    if checkpointing:
        enable_checkpointing(vlm)
    logprobs_NR, _ = response_logprobs(vlm, *ragged_groups(vlm))
    grad = gradients(vlm, logprobs_NR)
    assert logprobs_NR.dtype == torch.float32
    torch.testing.assert_close(logprobs_NR, exact_NR, rtol=0, atol=0.1)  # bfloat16 has eight bits
    assert torch.nn.functional.cosine_similarity(grad, exact_grad, dim=0) > 0.99


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_sampling_keeps_its_contract(family: str, check: Callable[[Vlm], None], load: LoadVlm) -> None:
    with sdpa_kernel(SDPBackend.MATH):  # it asks for equal float32
        check(load(family))


def test_sampling_again_takes_no_more_memory(load: LoadVlm) -> None:
    """A library keeps what it works with for each stream, which would be a new one for each recording."""
    vlm, kept_bytes = load("pocket-student"), []
    for _ in range(8):
        sample(vlm, two_prompts(vlm), SEEDS, SamplingConfig(max_new_tokens=4))
        gc.collect()
        kept_bytes.append(torch.cuda.memory_allocated())
    assert len(set(kept_bytes[1:])) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rounded_adapter_samples_what_pefts_samples(
    family: str, load: LoadVlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm, sampling = with_random_adapter(load(family)), SamplingConfig(max_new_tokens=24)
    with sdpa_kernel(SDPBackend.MATH):
        found = sample(vlm, two_prompts(vlm), SEEDS, sampling)
        monkeypatch.setattr(decode, "rounded_adapter", lambda _: nullcontext())
        expected = sample(vlm, two_prompts(vlm), SEEDS, sampling)
    for ours, theirs in zip(chain(*found), chain(*expected), strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)  # other kernels, other order of sums


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("size", [64, 128])
def test_attention_from_two_parts_has_a_kernel_in_half_precision(size: int, padding: int) -> None:
    """Against the CPU's in float32; rows out of order, query heads that share a head of keys."""
    mask_BP, rows_N = torch.ones((2, 40), dtype=torch.long), torch.tensor([1, 0, 1, 1, 0])
    mask_BP[0, :padding] = 0
    shapes = [(5, 4, 9, size), (5, 2, 9, size), (5, 2, 9, size), (2, 2, 40, size), (2, 2, 40, size)]
    found = []
    for device, dtype in ((torch.device("cpu"), torch.float32), (DEVICE, torch.bfloat16)):
        generator = torch.Generator().manual_seed(0)
        made = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
        inputs = [tensor.to(device, dtype).requires_grad_() for tensor in made]
        assert has_flash(device, dtype, size)
        layer = SimpleNamespace(prompt_keys_BKPD=inputs[3], prompt_values_BKPD=inputs[4])
        out = SharedPrompt(mask_BP.to(device), rows_N.to(device)).attend(*inputs[:3], layer, size**-0.5)
        weights = torch.linspace(-1, 1, out.numel()).view(out.shape).to(out)
        found.append([tensor.float().cpu() for tensor in (out, *torch.autograd.grad((out * weights).sum(), inputs))])
    for exact, ours in zip(*found, strict=True):
        assert (ours - exact).norm() < 1e-2 * exact.norm()
