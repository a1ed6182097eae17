"""Layers that don't see all earlier tokens, against the library's own forward of each row alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Gemma3TextConfig, Lfm2Config, Llama4TextConfig, MistralConfig, Qwen2Config, Qwen3NextConfig

from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.models.loaded.anatomy import read_anatomy
from rilctl.models.loaded.sharding import Unsharded
from rilctl.models.loaded.vlm import Vlm, load_vlm
from rilctl.models.policy import response_logprobs
from rilctl.models.prompts.encode import collate_responses
from rilctl.models.sampling.sample import sample
from rilctl.models.shared_prefix.checkpointing import enable_checkpointing
from rilctl.quickstart.shapes import write_shape
from rilctl.testing.builders.base import language_model, read_tokenizer
from rilctl.testing.builders.table import BUILDERS
from rilctl.testing.ragged import EachModuleOnce, gradients, ragged_groups, with_random_adapter

WINDOW = 8
"""Prompts have 14 tokens and more."""
LINEAR = {f"linear_{name}": size for name, size in (("num_key_heads", 2), ("num_value_heads", 4))}
LINEAR |= {f"linear_{name}": size for name, size in (("key_head_dim", 16), ("value_head_dim", 16))}
WINDOWED: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "some layers": (Qwen2Config, {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}),
    "all layers": (MistralConfig, {"sliding_window": WINDOW}),
    "in turns": (
        Gemma3TextConfig,
        {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    ),
}
RECURRENT: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "linear attention": (
        Qwen3NextConfig,
        {"layer_types": ["linear_attention", "full_attention"], "num_experts": 0, "mlp_only_layers": [0, 1], **LINEAR},
    ),
    "convolution": (Lfm2Config, {"layer_types": ["conv", "full_attention"]}),
}
UNSHARED = RECURRENT | {
    "chunks": (
        Llama4TextConfig,
        {
            "layer_types": ["chunked_attention", "full_attention"],
            "no_rope_layers": [1, 0],
            "attention_chunk_size": WINDOW,
            "intermediate_size_mlp": 64,
            "num_local_experts": 2,
        },
    ),
}


def load(folder: Path, config_class: Callable[..., Any], values: dict[str, Any]) -> Vlm:
    """A text model with random weights."""
    write_shape("pocket-student", folder)
    BUILDERS["text"](folder)
    layers = {"num_hidden_layers": len(values["layer_types"])} if "layer_types" in values else {}
    config = config_class(**language_model(read_tokenizer(folder)) | {"initializer_range": 0.1} | layers | values)
    config.save_pretrained(folder)
    model = ModelConfig(model=str(folder), random_weights=True)
    return load_vlm(model, base_dir=Path(), device=torch.device("cpu"), trainable=True)


def rows_alone(vlm: Vlm, ids_NR: Tensor, mask_NR: Tensor, banned: tuple[int, ...] = ()) -> Tensor:
    """Log-probabilities of real tokens, one after another: each row a text of its own, by the library's forward."""
    prompts, prompt_of_row, *_ = ragged_groups(vlm)
    found = []
    for row, index in enumerate(prompt_of_row.tolist()):
        prompt, response = prompts[index].token_ids_P, ids_NR[row][mask_NR[row]]
        logits = vlm.model(input_ids=torch.cat([prompt, response])[None]).logits[0, len(prompt) - 1 : -1]
        logits[:, list(banned)] = -torch.inf
        found.append(logits.log_softmax(-1).gather(-1, response[:, None])[:, 0])
    return torch.cat(found)


@pytest.mark.parametrize("name", [*WINDOWED, *UNSHARED])
def test_every_form_sees_what_the_library_s_forward_sees(name: str, tmp_path: Path) -> None:
    vlm = load(tmp_path, *(WINDOWED | UNSHARED)[name])
    assert vlm.family.shares_prompts == (name in WINDOWED)
    groups = ragged_groups(vlm)
    mask_NR = groups[-1]
    expected = rows_alone(vlm, *groups[2:])
    expected_gradients = gradients(vlm, torch.zeros(mask_NR.shape).masked_scatter(mask_NR, expected))

    def check() -> None:
        logprobs_NR, _ = response_logprobs(vlm, *ragged_groups(vlm))
        torch.testing.assert_close(logprobs_NR[mask_NR], expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            gradients(vlm, logprobs_NR.masked_fill(~mask_NR, 0)), expected_gradients, rtol=1e-4, atol=1e-5
        )

    check()  # rows go on from their prompt's keys and values, where those are shared
    if name in WINDOWED:  # else refused: one module runs for each prompt
        vlm.sharding = EachModuleOnce()
        check()
        vlm.sharding = Unsharded()
    enable_checkpointing(vlm)
    check()


@pytest.mark.parametrize("name", [*WINDOWED, *UNSHARED])
def test_what_is_sampled_has_the_library_s_log_probabilities(name: str, tmp_path: Path) -> None:
    vlm = load(tmp_path, *(WINDOWED | UNSHARED)[name])
    groups = sample(vlm, ragged_groups(vlm)[0], [(1, 2, 3), (4, 5), (6,)], SamplingConfig(max_new_tokens=12))
    rows = [row for group in groups for row in group]
    ids_NR, mask_NR = collate_responses(vlm, [row.token_ids for row in rows])
    said = torch.tensor([logprob for row in rows for logprob in row.logprobs])
    torch.testing.assert_close(said, rows_alone(vlm, ids_NR, mask_NR, vlm.banned_ids), rtol=0, atol=2e-5)


def test_without_its_window_a_model_says_something_else(tmp_path: Path) -> None:
    """Else the tests above would hold of a mask without windows."""
    config_class, values = WINDOWED["in turns"]
    vlm = load(tmp_path / "near", config_class, values)
    far = load(tmp_path / "far", config_class, values | {"sliding_window": 512})
    _, _, ids_NR, mask_NR = ragged_groups(vlm)
    difference = rows_alone(vlm, ids_NR, mask_NR) - rows_alone(far, ids_NR, mask_NR)
    assert difference.abs().max() > 0.1


def test_the_layers_of_a_class_with_names_of_its_own_are_found(tmp_path: Path) -> None:
    """By what trains, what is planned, and what has an adapter."""
    vlm = load(tmp_path, *UNSHARED["chunks"])
    assert vlm.decoder is vlm.backbone
    assert read_anatomy(vlm.source).vision == 0
    adapted = with_random_adapter(vlm)
    names = {name for name, _ in adapted.trained_parameters()}
    assert all(any(f"layers.{layer}.self_attn.q_proj" in name for name in names) for layer in (0, 1))
