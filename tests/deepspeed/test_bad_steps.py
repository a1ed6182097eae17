"""A loss that isn't finite, on one rank: all ranks leave the step out, whatever holds the optimizer's state.

A step's first micro-batch has no picture: what a vision tower had in the step before must not be left in it.
"""

import json
from pathlib import Path

import pytest

from rilctl.testing.ranks import run_cases

WORKER = Path(__file__).with_name("bad_steps_worker.py")
ALONE = [
    *("torch", "torch-lora", "zero-0", "zero-1", "zero-2", "zero-3", "zero-1-offload", "zero-2-offload"),
    *("zero-3-offload", "zero-0-bf16", "zero-1-bf16", "zero-1-bf16-offload", "zero-2-bf16", "zero-3-bf16"),
]
TOGETHER = ["zero-0", "zero-1", "zero-2", "zero-3", "zero-2-lora", "zero-3-lora", "zero-1-bf16", "zero-2-bf16"]
CASES = [*((1, name) for name in ALONE), *((2, name) for name in TOGETHER)]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By number of ranks, the folder with every case's reports."""
    return run_cases(WORKER, {1: ALONE, 2: TOGETHER}, tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize(("num_ranks", "name"), CASES)
def test_a_bad_step_is_as_if_it_had_not_been(results: dict[int, Path], num_ranks: int, name: str) -> None:
    reports = [json.loads((results[num_ranks] / f"{name}-{rank}.json").read_text()) for rank in range(num_ranks)]
    for report in reports:
        good, bad = report["good"], report["bad"]
        assert (good["bad"], bad["bad"]) == ([False, False], [False, True, True, False])
        assert (good["num_bad"], bad["num_bad"]) == (0, 2)
        assert (good["num_bad_resumed"], bad["num_bad_resumed"]) == (1, 3)
        assert bad["norms"] == good["norms"] and bad["logprobs"] == good["logprobs"]
        if not name.endswith(("lora", "bf16", "bf16-offload")):
            torch_report = json.loads((results[1] / "torch-0.json").read_text())
            assert good["norms"] == pytest.approx(torch_report["good"]["norms"], rel=1e-4)
