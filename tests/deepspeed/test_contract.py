"""One contract for training engines: torch, and DeepSpeed in one process and in two."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rilctl.testing.ranks import run_cases

WORKER = Path(__file__).with_name("worker.py")

ALONE = [
    *("torch", "torch-lora", "torch-bf16", "zero-0", "zero-1", "zero-2", "zero-3", "zero-2-offload", "zero-3-offload"),
    *("zero-1-offload", "zero-3-checkpointing", "zero-3-lora"),
    *("zero-0-bf16", "zero-1-bf16", "zero-1-bf16-offload", "zero-2-bf16", "zero-3-bf16"),
]
TOGETHER = ["zero-0", "zero-1", "zero-2", "zero-3", "zero-2-lora", "zero-3-lora", "zero-1-bf16", "zero-3-bf16"]
STAGES = [*((1, name) for name in ALONE if name.startswith("zero")), *((2, name) for name in TOGETHER)]
FLOAT32 = [(num_ranks, name) for num_ranks, name in STAGES if "bf16" not in name]
BFLOAT16 = [(num_ranks, name) for num_ranks, name in STAGES if "bf16" in name]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By number of ranks, the folder with every case's report."""
    return run_cases(WORKER, {1: ALONE, 2: TOGETHER}, tmp_path_factory.mktemp("cases"))


def read(results: dict[int, Path], num_ranks: int, name: str) -> tuple[Any, dict[str, torch.Tensor]]:
    folder = results[num_ranks]
    return json.loads((folder / f"{name}.json").read_text()), load_file(folder / f"{name}.safetensors")


def first_moments(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """AdamW's first moments after one step: a tenth of the first step's clipped gradients."""
    state: dict[str, torch.Tensor] = {}
    for file in (folder / "scratch" / name / "first").glob("*.safetensors"):
        state |= load_file(file)
    return {key: tensor for key, tensor in state.items() if key.startswith("exp_avg.")}


@pytest.mark.parametrize(("num_ranks", "name"), FLOAT32)
def test_torch_and_every_stage_train_alike(results: dict[int, Path], num_ranks: int, name: str) -> None:
    reference = "torch-lora" if "lora" in name else "torch"
    expected, tensors = read(results, 1, reference)
    found, own = read(results, num_ranks, name)
    assert found["run"]["losses"] == pytest.approx(expected["run"]["losses"], rel=1e-5)
    assert found["run"]["grad_norms"] == pytest.approx(expected["run"]["grad_norms"], rel=1e-4)
    torch.testing.assert_close(own["logprobs"], tensors["logprobs"], rtol=0, atol=1e-3)
    moments = first_moments(results[1], reference)
    gradients = first_moments(results[num_ranks], name)
    assert gradients.keys() == moments.keys()
    for key, moment in moments.items():
        error = float((gradients[key] - moment).norm())
        assert error <= 1e-5 * float(moment.norm()) + 1e-9, key


@pytest.mark.parametrize(("num_ranks", "name"), FLOAT32)
def test_the_shared_prompt_is_exact_in_every_stage(results: dict[int, Path], num_ranks: int, name: str) -> None:
    _, own = read(results, num_ranks, name)
    torch.testing.assert_close(own["in_engine"], own["shared"], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("num_ranks", "name"), [*((1, name) for name in ALONE), *((2, name) for name in TOGETHER)])
def test_a_resumed_run_goes_on_bit_for_bit(results: dict[int, Path], num_ranks: int, name: str) -> None:
    report, own = read(results, num_ranks, name)
    half = len(report["run"]["losses"]) // 2
    assert report["resumed"]["losses"] == report["run"]["losses"][half:]
    assert report["resumed"]["grad_norms"] == report["run"]["grad_norms"][half:]
    assert torch.equal(own["logprobs_resumed"], own["logprobs"])


@pytest.mark.parametrize(("num_ranks", "name"), BFLOAT16)
def test_bfloat16_with_float32_masters_learns_what_torch_learns(
    results: dict[int, Path], num_ranks: int, name: str
) -> None:
    expected, _ = read(results, 1, "torch-bf16")
    found, _ = read(results, num_ranks, name)
    # Torch rounds each product of float32 weights, DeepSpeed the weights themselves, once in every step.
    assert found["run"]["losses"] == pytest.approx(expected["run"]["losses"], rel=5e-2)
    assert found["run"]["losses"][-1] < 0.8 * found["run"]["losses"][0]


@pytest.mark.parametrize(("num_ranks", "name"), [(1, "zero-2"), (1, "zero-3"), (2, "zero-2"), (2, "zero-3")])
def test_policy_and_discriminator_learn_in_one_process_group(
    results: dict[int, Path], num_ranks: int, name: str
) -> None:
    expected, _ = read(results, 1, "torch")
    found, _ = read(results, num_ranks, name)
    for disc_input, reports in expected["disc"]["reports"].items():
        for own, report in zip(found["disc"]["reports"][disc_input], reports, strict=True):
            assert own == pytest.approx(report, rel=1e-4)


@pytest.mark.parametrize("name", ["zero-2", "zero-3"])
def test_two_ranks_are_uneven(results: dict[int, Path], name: str) -> None:
    found, _ = read(results, 2, name)
    assert found["num_parts"] == [2, 3]
    assert found["disc"]["num_parts"] == {"response": [2, 1], "image+question+response": [2, 1]}
