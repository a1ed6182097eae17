"""One set of frozen weights, several roles."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.errors import ModelError, UsageError
from rilctl.models.loaded.adapters import load_adapter, merge_adapter, save_adapter, with_adapter
from rilctl.models.loaded.vlm import Vlm, load_vlm, save_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses, encode_response
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.testing.prompts import drawn_prompt

LORA = LoraConfig(rank=4, alpha=8.0)
Load = Callable[[str], Vlm]


def logprobs(vlm: Vlm) -> torch.Tensor:
    prompt = drawn_prompt(vlm, "what is the sum?", [])
    ids_NR, mask_NR = collate_responses(vlm, [encode_response(vlm, text, stopped=True) for text in ("answer 8", "9")])
    return response_logprobs(vlm, [prompt], torch.tensor([0, 0]), ids_NR, mask_NR)[0]


def gradients(vlm: Vlm) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in vlm.trained_parameters() if p.grad is not None}


def train(vlm: Vlm, *, steps: int = 2) -> None:
    optimizer = torch.optim.Adam([p for _, p in vlm.trained_parameters()], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        (-logprobs(vlm).sum()).backward()
        optimizer.step()


@pytest.mark.parametrize("family", ["pocket-student", "pocket-teacher-internvl"])
def test_an_adapter_starts_as_the_model_trains_alone_and_merges_exactly(family, load, tmp_path):
    vlm = load(family)
    base = logprobs(vlm).detach()
    policy = with_adapter(vlm, LORA, adapter="policy", seed=0)
    torch.testing.assert_close(logprobs(policy), base)
    trained = [name for name, p in vlm.model.named_parameters() if p.requires_grad]
    assert trained == [name for name, _ in policy.trained_parameters()]
    assert trained and all("lora_" in name and "visual" not in name and "vision" not in name for name in trained)
    train(policy)
    moved = logprobs(policy).detach()
    assert (moved - base).abs().max() > 1e-3
    torch.testing.assert_close(logprobs(vlm), base)  # the same weights without the adapter: the reference
    assert [name for name, p in vlm.model.named_parameters() if p.requires_grad] == trained
    save_vlm(policy, tmp_path)
    reloaded = load_vlm(ModelConfig(model=str(tmp_path)), base_dir=Path(), device=torch.device("cpu"))
    torch.testing.assert_close(logprobs(reloaded), moved, rtol=1e-5, atol=1e-5)


def test_two_roles_on_the_same_weights_train_as_if_alone(load: Load):
    def alone(adapter: str, steps: int) -> torch.Tensor:
        vlm = with_adapter(load("pocket-student"), LORA, adapter=adapter, seed=len(adapter))
        train(vlm, steps=steps)
        return logprobs(vlm).detach()

    vlm = load("pocket-student")
    base = logprobs(vlm).detach()
    roles = {name: with_adapter(vlm, LORA, adapter=name, seed=len(name)) for name in ("policy", "discriminator")}
    optimizers = {
        name: torch.optim.Adam([p for _, p in role.trained_parameters()], lr=0.01) for name, role in roles.items()
    }
    for name in ("policy", "discriminator", "policy"):  # in turns; the reference in between
        torch.testing.assert_close(logprobs(vlm), base)
        (-logprobs(roles[name]).sum()).backward()
        optimizers[name].step()
        for optimizer in optimizers.values():
            optimizer.zero_grad()
    assert torch.equal(logprobs(roles["policy"]), alone("policy", 2))
    assert torch.equal(logprobs(roles["discriminator"]), alone("discriminator", 1))
    assert len({id(role.model) for role in (vlm, *roles.values())}) == 1


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_graph_outlives_the_switch_to_another_role(checkpointing, load):
    """Recomputation would read the adapter that is at work by then; PEFT's switch would clear what needs gradients."""

    def build() -> tuple[Vlm, Vlm]:
        vlm = load("pocket-student")
        if checkpointing:
            enable_checkpointing(vlm)
        policy, other = (with_adapter(vlm, LORA, adapter=name, seed=0) for name in ("policy", "other"))
        with torch.no_grad():
            for number, (_, parameter) in enumerate([*policy.trained_parameters(), *other.trained_parameters()]):
                parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(number))
        return policy, other

    policy, _ = build()
    logprobs(policy).sum().backward()
    expected = gradients(policy)
    policy, other = build()
    loss = logprobs(policy).sum()
    logprobs(other).sum().backward()
    loss.backward()
    found = gradients(policy)
    assert found.keys() == expected.keys() and any(gradient.any() for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


# PEFT 0.21 asks a model for a property whose name transformers 5.24 calls old.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_an_adapter_is_written_and_read_in_pefts_layout(load: Load, tmp_path: Path):
    from peft import PeftModel

    trained = with_adapter(load("pocket-student"), LORA, adapter="discriminator", seed=0)
    train(trained)
    save_adapter(trained, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    other = with_adapter(load("pocket-student"), LORA, adapter="policy", seed=7)
    load_adapter(other, tmp_path)
    expected = logprobs(trained).detach()
    torch.testing.assert_close(logprobs(other), expected)
    theirs = load("pocket-student")
    PeftModel.from_pretrained(theirs.model, tmp_path)  # puts its layers into the model
    theirs.adapter = "default"
    torch.testing.assert_close(logprobs(theirs), expected)


def test_an_adapter_of_another_shape_is_refused(load: Load, tmp_path: Path):
    save_adapter(with_adapter(load("pocket-student"), LORA, adapter="policy", seed=0), tmp_path)
    other = with_adapter(load("pocket-student"), LoraConfig(rank=2), adapter="policy", seed=0)
    with pytest.raises(ModelError, match="another rank"):
        load_adapter(other, tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="can't be read"):
        load_adapter(other, tmp_path)


def test_merging_leaves_a_model_whose_weights_all_train(load: Load):
    vlm = with_adapter(load("pocket-student"), LORA, adapter="policy", seed=0)
    train(vlm)
    before = logprobs(vlm).detach()
    merged = merge_adapter(vlm)
    torch.testing.assert_close(logprobs(merged), before, rtol=1e-5, atol=1e-5)
    assert [name for name, _ in merged.trained_parameters()] == [name for name, _ in merged.model.named_parameters()]
    assert not any("lora" in name for name, _ in merged.model.named_modules())
    again = with_adapter(merged, LORA, adapter="policy", seed=1)
    torch.testing.assert_close(logprobs(again), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens", "q_porj"])
def test_what_can_have_no_adapter_is_refused_by_name(target, load):
    with pytest.raises(UsageError, match=target) as caught:
        with_adapter(load("pocket-student"), LoraConfig(targets=("q_proj", target)), adapter="policy", seed=0)
    assert "q_proj" in str(caught.value.hint) and "lm_head" not in str(caught.value.hint)


def test_frozen_weights_of_low_precision_train_a_float32_adapter(load: Load, tmp_path: Path):
    directory = load("pocket-student").source.path
    config = ModelConfig(model=str(directory), dtype="bfloat16")
    vlm = with_adapter(load_vlm(config, base_dir=Path(), device=torch.device("cpu")), LORA, adapter="policy", seed=0)
    assert {p.dtype for _, p in vlm.trained_parameters()} == {torch.float32}
    before = logprobs(vlm).detach()
    train(vlm)
    assert (logprobs(vlm) - before).abs().max() > 1e-2
    save_vlm(vlm, tmp_path)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.bfloat16}
