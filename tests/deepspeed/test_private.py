"""What is used of DeepSpeed's private API is found, and missed where it isn't there."""

import os
import subprocess
import sys

import pytest

from rilctl.testing.taken_away import Other, check_all_there, check_missed

TAKEN = {
    "ops.__compatible_ops__": ("deepspeed.ops:__compatible_ops__", {}),
    "comm.destroy_process_group": ("deepspeed.comm:destroy_process_group", None),
    "utils.lazy_init_hp_params_optimizer_state": (
        "deepspeed.utils:lazy_init_hp_params_optimizer_state",
        lambda _: None,
    ),
    "Parameter.ds_id, ds_shape and ds_tensor": ("deepspeed.runtime.zero.partition_parameters:Init", Other),
    "DeepSpeedZeroOptimizer.averaged_gradients": ("deepspeed.runtime.zero.stage_1_and_2:DeepSpeedZeroOptimizer", Other),
    "DeepSpeedZeroOptimizer_Stage3.fp32_partitioned_groups_flat": (
        "deepspeed.runtime.zero.stage3:DeepSpeedZeroOptimizer_Stage3",
        Other,
    ),
    "BF16_Optimizer.bf16_groups": ("deepspeed.runtime.bf16_optimizer:BF16_Optimizer", Other),
}


def test_the_installed_version_has_all():
    check_all_there("deepspeed", TAKEN)


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_gone_is_named(what):
    check_missed("deepspeed", what, *TAKEN[what])


def test_deepspeed_is_whole_on_a_gpu_as_well():
    """Its operations are others there; without a GPU that can be seen by asking for its accelerator by name."""
    look = "from rilctl.private.uses import find_gaps; print(find_gaps('deepspeed'))"
    environment = {**os.environ, "DS_ACCELERATOR": "cuda"}
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
