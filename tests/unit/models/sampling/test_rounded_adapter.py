"""Sampling with an adapter in the weights' precision, against PEFT's own forward pass."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rilctl.config.fields import LoraConfig, ModelConfig, SamplingConfig
from rilctl.models.loaded.adapters import with_adapter
from rilctl.models.loaded.lora import is_lora, rounded_adapter
from rilctl.models.loaded.vlm import Vlm, load_vlm, save_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.sampling import sample as decode
from rilctl.models.sampling.sample import Sampled, sample
from rilctl.testing.ragged import ragged_groups
from rilctl.testing.sampler_contract import SEEDS, two_prompts

Load = Callable[[str], Vlm]
FAMILIES = ("pocket-student", "pocket-teacher-internvl", "qwen2_vl")  # the last one's rows repeat their prompt
SAMPLING = SamplingConfig(max_new_tokens=24, temperature=1.3)
SEEDS_OF_THREE = [range(5), range(5, 9), range(9, 12)]


def adapted(vlm: Vlm, *, std: float = 0.1) -> dict[str | None, Vlm]:
    """Roles by adapter; each adapter makes a difference, and the second one has other layers."""
    roles: dict[str | None, Vlm] = {None: vlm}
    for seed, (name, targets) in enumerate((("policy", ("q_proj", "v_proj", "down_proj")), ("other", ("q_proj",)))):
        roles[name] = with_adapter(vlm, LoraConfig(rank=4, targets=targets), adapter=name, seed=seed)
        for _, parameter in roles[name].trained_parameters():
            torch.nn.init.normal_(parameter, std=std)
    return roles


def rows(groups: list[list[Sampled]]) -> Iterator[Sampled]:
    return (row for group in groups for row in group)


def in_bfloat16(vlm: Vlm) -> Vlm:
    config = ModelConfig(model=str(vlm.source.path), dtype="bfloat16")
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"))


@pytest.fixture
def peft_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Sampling as PEFT computes it, until it is undone."""
    monkeypatch.setattr(decode, "rounded_adapter", lambda _: nullcontext())
    yield monkeypatch


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("adapter", ["policy", "other", None])
def test_float32_tokens_are_those_of_peft(
    adapter: str | None, family: str, load: Load, peft_alone: pytest.MonkeyPatch
) -> None:
    roles = adapted(load(family))
    prompts = ragged_groups(roles[None])[0]
    expected = sample(roles[adapter], prompts, SEEDS_OF_THREE, SAMPLING)
    peft_alone.undo()
    found = sample(roles[adapter], prompts, SEEDS_OF_THREE, SAMPLING)
    for ours, theirs in zip(rows(found), rows(expected), strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
    for other in {"policy", "other", None} - {adapter}:
        differs = sample(roles[other], prompts, SEEDS_OF_THREE, SAMPLING)
        assert [row.logprobs for row in rows(differs)] != [row.logprobs for row in rows(found)]


def test_layers_are_pefts_again_after_an_error(load: Load) -> None:
    policy = adapted(load("pocket-student"))["policy"]
    layers = [module for module in policy.model.modules() if is_lora(module)]
    with pytest.raises(RuntimeError, match="inside"), rounded_adapter(policy.model):
        assert any("forward" in layer.__dict__ for layer in layers)
        raise RuntimeError("inside")
    assert layers and not any("forward" in layer.__dict__ for layer in layers)


class Float32Products(TorchDispatchMode):
    """Counts products of float32 tensors."""

    num = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        is_product = func.overloadpacket.__name__ in ("linear", "mm", "addmm", "addmm_")
        self.num += is_product and any(isinstance(arg, Tensor) and arg.dtype == torch.float32 for arg in args)
        return func(*args, **kwargs or {})


def test_a_token_costs_no_product_in_float32_beside_bfloat16_weights(load: Load) -> None:
    policy = adapted(in_bfloat16(load("pocket-student")))["policy"]
    counts = []
    for num_tokens in (2, 4):  # the prompts' own pass is PEFT's, and the same in both
        with Float32Products() as products:
            sample(policy, two_prompts(policy), SEEDS, SamplingConfig(max_new_tokens=num_tokens))
        counts.append(products.num)
    assert counts[0] == counts[1] > 0


@torch.no_grad()
def test_rounding_the_adapter_adds_little_to_rounding_what_comes_out(load: Load) -> None:
    """The adapter adds a quarter of what the weight gives, which is more than most trained ones do."""
    policy = adapted(in_bfloat16(load("pocket-student")), std=0.03)["policy"]
    layer: Any = next(module for module in policy.model.modules() if is_lora(module) and "policy" in module.lora_A)
    hidden_TI = torch.randn(64, layer.in_features, generator=torch.Generator().manual_seed(0)).bfloat16()
    delta_OI = layer.get_delta_weight("policy").double()
    assert 0.2 < delta_OI.norm() / layer.base_layer.weight.double().norm() < 0.4
    whole_OI = layer.base_layer.weight.double() + delta_OI
    exact_TO = torch.nn.functional.linear(hidden_TI.double(), whole_OI, layer.base_layer.bias.double())
    with policy.forward_pass():
        peft_error = (layer(hidden_TI).double() - exact_TO).norm()
        with rounded_adapter(policy.model):
            own_error = (layer(hidden_TI).double() - exact_TO).norm()
    assert own_error < 1.2 * peft_error


def test_the_trainer_agrees_as_well_as_with_merged_weights(load: Load, tmp_path: Path) -> None:
    """Decoding and training round differently anyway; merged and rounded is what another engine gets."""
    policy = adapted(in_bfloat16(load("pocket-student")), std=0.03)["policy"]
    save_vlm(policy, tmp_path)
    merged = load_vlm(ModelConfig(model=str(tmp_path), dtype="bfloat16"), base_dir=Path(), device=torch.device("cpu"))
    prompts, seeds = ragged_groups(policy)[0], [range(start, start + 24) for start in (0, 24, 48)]
    gaps = []
    for sampler in (policy, merged):
        sampled = list(rows(sample(sampler, prompts, seeds, SamplingConfig(max_new_tokens=48))))
        tensors = collate_responses(policy, [row.token_ids for row in sampled])
        with torch.no_grad():
            logprobs_NR, _ = response_logprobs(
                policy, prompts, torch.arange(3).repeat_interleave(24), *tensors, banned_ids=policy.banned_ids
            )
        recorded_T = torch.tensor([logprob for row in sampled for logprob in row.logprobs])
        gaps.append(float((logprobs_NR[tensors[1]] - recorded_T).abs().mean()))
    assert gaps[0] < gaps[1]
