"""DeepSpeed in one process on the GPU (nccl) against torch, on the rows of `tests/deepspeed`."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rilctl.testing.ranks import run_ranks

from .conftest import DEVICE

WORKER = Path(__file__).parents[1] / "deepspeed" / "worker.py"
FLOAT32 = ("zero-0", "zero-1", "zero-2", "zero-3", "zero-1-offload", "zero-2-offload", "zero-3-offload")
BFLOAT16 = ("zero-0-bf16", "zero-1-bf16", "zero-1-bf16-offload", "zero-2-bf16", "zero-3-bf16-offload")
AT_ONCE = 8
"""Processes that share the GPU; each has a context of half a gigabyte beside its small model."""
REFERENCES = ("torch", "torch-bf16")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By case what it reported, or its last words."""
    folder = tmp_path_factory.mktemp("reports")

    def train(name: str) -> Any:
        (done,) = run_ranks(WORKER, str(folder), name, accelerator=DEVICE.type)
        return json.loads((folder / f"{name}.json").read_text()) if done.returncode == 0 else done.stderr[-4000:]

    names = [*REFERENCES, *FLOAT32, *BFLOAT16]
    with ThreadPoolExecutor(AT_ONCE) as processes:
        return dict(zip(names, processes.map(train, names), strict=True))


def losses(reports: dict[str, Any], name: str, part: str = "run") -> list[float]:
    report = reports[name]
    assert isinstance(report, dict), report
    return list(report[part]["losses"])


@pytest.mark.parametrize("name", FLOAT32)
def test_every_stage_trains_as_torch_does(reports: dict[str, Any], name: str) -> None:
    assert losses(reports, name) == pytest.approx(losses(reports, "torch"), rel=1e-4)


@pytest.mark.parametrize("name", BFLOAT16)
def test_bfloat16_with_float32_masters_learns_what_torch_learns(reports: dict[str, Any], name: str) -> None:
    found = losses(reports, name)
    # Torch rounds each product of float32 weights, DeepSpeed the weights themselves, once in every step.
    assert found == pytest.approx(losses(reports, "torch-bf16"), rel=5e-2)
    assert found[-1] < 0.8 * found[0]


@pytest.mark.parametrize("name", [*REFERENCES, *FLOAT32, *BFLOAT16])
def test_a_resumed_run_goes_on(reports: dict[str, Any], name: str) -> None:
    whole, resumed = losses(reports, name), losses(reports, name, "resumed")
    # Sums on a GPU come in any order; where weights are rounded to bfloat16, some of them to the neighbouring value.
    assert resumed == pytest.approx(whole[len(whole) // 2 :], rel=5e-3 if name in BFLOAT16 else 1e-4)
