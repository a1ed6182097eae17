"""The plan's memory against the peak of the run itself; `benchmarks/plan.py` has more cases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rilctl.testing.peaks import CASES, peak_of_verb, write_sized_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("sized")
    write_sized_workspace(directory)
    peak_of_verb(directory, "cache-teacher")
    yield directory


@pytest.mark.parametrize("case", ["sft", "ril", "ril lora"])
def test_the_estimate_is_within_a_quarter_of_the_peak(workspace: Path, case: str) -> None:
    verb, overrides = CASES[case]
    plan, measured = peak_of_verb(workspace, verb, overrides, out=workspace / "runs" / case)
    assert 50e6 < plan["model"]["parameters"] < 100e6
    assert plan["peak_memory"]["peak_bytes"] == pytest.approx(measured, rel=0.25)
