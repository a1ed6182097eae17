"""Each use of private API is found in the installed version, and is missed loudly where it isn't there any more."""

import importlib.metadata
from collections import OrderedDict

import pytest
import torch

from rilctl.cli.checks import check_private
from rilctl.errors import EngineError
from rilctl.private import flash
from rilctl.private.uses import find_gaps, require, uses_of, wanted_versions
from rilctl.testing.taken_away import gone, taken_away

EMPTY = torch.empty


def _says_otherwise(*size, **options):
    if size == (1 << 50,):
        raise RuntimeError("the host has no memory")
    return EMPTY(*size, **options)


CORE = ("torch", "transformers", "peft")
TAKEN = {
    ("torch", "aten._scaled_dot_product_flash_attention_for_cpu"): (
        "torch:ops.aten._scaled_dot_product_flash_attention_for_cpu_backward",
        gone,
    ),
    ("torch", "aten._scaled_dot_product_flash_attention"): (
        "torch:ops.aten._scaled_dot_product_flash_attention",
        lambda query, *_, **__: (query, query),
    ),
    ("torch", "Tensor._version"): ("torch:Tensor._version", 0),
    ("torch", "distributed.rendezvous"): ("torch.distributed:rendezvous", lambda: None),
    ("torch", "DefaultCPUAllocator: in a message"): ("torch:empty", _says_otherwise),
    ("torch", "cuda.memory._dump_snapshot"): ("torch:cuda.memory._dump_snapshot", lambda: None),
    ("torch", "nn.Module._forward_hooks"): ("torch.nn:Module.register_forward_hook", lambda *_: None),
    ("transformers", "PreTrainedConfig._attn_implementation"): (
        "transformers:Qwen2Config._attn_implementation",
        property(lambda _: "sdpa", lambda *_: None),
    ),
    ("transformers", "GradientCheckpointingLayer.gradient_checkpointing"): (
        "transformers:modeling_layers.GradientCheckpointingLayer",
        object,
    ),
    ("transformers", "DynamicCache of DynamicLayer"): ("transformers:DynamicLayer", OrderedDict),
    ("transformers", "core_model_loading.revert_weight_conversion"): (
        "transformers.core_model_loading:revert_weight_conversion",
        lambda state: state,
    ),
    ("transformers", "ProcessorMixin.get_attributes"): ("transformers:ProcessorMixin", object),
    ("transformers", "models.*.image_processing_pil_*"): (
        "transformers.models.smolvlm.image_processing_pil_smolvlm:SmolVLMImageProcessorPil",
        gone,
    ),
    ("transformers", "ProcessorMixin._get_num_multimodal_tokens"): (
        "transformers:InternVLProcessor._get_num_multimodal_tokens",
        lambda self: {},
    ),
    ("peft", "LoraLayer.lora_A and what stands beside it"): ("peft.tuners.lora:Linear.get_delta_weight", gone),
    ("peft", "names of weights with `.lora_` and `.base_layer.`"): (
        "peft:get_peft_model_state_dict",
        lambda *_, **__: {},
    ),
}
"""Library and use: what is taken away, and what stands there instead."""


@pytest.mark.parametrize("library", CORE)
def test_the_installed_version_has_all(library):
    assert find_gaps(library) == []
    require(library)


def test_every_use_is_taken_away_once():
    assert set(TAKEN) == {(library, use.what) for library in CORE for use in uses_of(library)}


@pytest.mark.parametrize(("library", "what"), TAKEN, ids=lambda each: each)
def test_what_is_gone_is_named_with_the_versions_that_have_it(library, what):
    with taken_away(*TAKEN[library, what]):
        assert [gap.use.what for gap in find_gaps(library)] == [what]
        with pytest.raises(EngineError, match="lacks") as raised:
            require(library)
        (check,) = check_private([library])
    assert f"`{what}`" in raised.value.message
    assert importlib.metadata.version(library) in raised.value.message
    wanted = wanted_versions(library)
    assert wanted and f"pip install '{library}{wanted}'" in raised.value.hint
    assert (check.state, what in check.detail) == ("broken", True)
    assert find_gaps(library) == []


@pytest.mark.parametrize("library", CORE)
def test_doctor_says_that_all_is_there(library):
    (check,) = check_private([library])
    assert check.state == "ok"
    assert check.detail.startswith(f"{len(uses_of(library))} of {len(uses_of(library))} uses")


def test_a_model_isnt_loaded_with_a_library_that_lacks_something(tmp_path):
    from rilctl.config.fields import ModelConfig
    from rilctl.models.loaded.vlm import load_vlm
    from rilctl.quickstart.shapes import write_shape

    write_shape("pocket-student", tmp_path)
    model = ModelConfig(model=str(tmp_path), random_weights=True)
    for library, what in (("torch", "Tensor._version"), ("transformers", "DynamicCache of DynamicLayer")):
        with taken_away(*TAKEN[library, what]), pytest.raises(EngineError, match=f"{library} .*lacks"):
            load_vlm(model, base_dir=tmp_path, device=torch.device("cpu"))


def test_checks_run_on_the_host_whatever_device_new_tensors_go_to():
    with torch.device("meta"):
        assert find_gaps("torch") == []


def test_a_gpu_s_attention_is_looked_at_in_full_precision_wherever_it_is_asked_first(monkeypatch: pytest.MonkeyPatch):
    def half(query, keys, values, *, causal, scaling):
        out, log = flash._plain_attention(query.float(), keys.float(), values.float(), scaling=scaling)
        return out.to(query.dtype), log

    monkeypatch.setattr(flash, "_cuda_attention", half)
    look = flash._refuse_other_kernel.__wrapped__
    with torch.autocast("cpu", dtype=torch.bfloat16):
        look(torch.device("cpu"), torch.bfloat16)
    monkeypatch.setattr(
        flash, "_cuda_attention", lambda *args, **options: [2 * each for each in half(*args, **options)]
    )
    with pytest.raises(EngineError, match="flash_attention"):
        look(torch.device("cpu"), torch.bfloat16)
