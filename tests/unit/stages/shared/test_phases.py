from typing import get_args

import pytest
import torch

from rilctl.errors import DataError, OutOfMemoryError
from rilctl.stages.shared.phases import Costly, phase


def no_host_memory() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def no_device_memory() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore words")


def no_python_memory() -> None:
    raise MemoryError


@pytest.mark.parametrize("work", [no_host_memory, no_device_memory, no_python_memory])
def test_where_memory_ran_out_and_what_to_change(work) -> None:
    with (
        pytest.raises(OutOfMemoryError, match="^out of memory in `train`, policy update: ") as caught,
        phase("train", "policy update"),
    ):
        work()
    assert "\n" not in caught.value.message
    for words in ("`train.engine.tokens_per_micro_batch`", "gradient_checkpointing", "`rilctl train --dry-run`"):
        assert words in (caught.value.hint or "")


@pytest.mark.parametrize("name", get_args(Costly))
def test_every_phase_has_a_remedy(name: Costly) -> None:
    with pytest.raises(OutOfMemoryError, match=f"^out of memory in `train`, {name}: ") as caught, phase("train", name):
        no_device_memory()
    assert "`train." in (caught.value.hint or "")


def test_a_phase_within_another_is_the_one_that_is_named() -> None:
    with pytest.raises(OutOfMemoryError, match="validation"), phase("sft", "update"), phase("sft", "validation"):
        no_device_memory()


@pytest.mark.parametrize("error", [RuntimeError("a shape is wrong"), DataError("no rows")])
def test_other_errors_stay_what_they_are(error) -> None:
    with pytest.raises(type(error)) as caught, phase("sft", "update"):
        raise error
    assert caught.value is error
