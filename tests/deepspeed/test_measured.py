"""The plan's memory against the peak of a run on DeepSpeed, as in `tests/unit/planning/test_measured.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.testing.peaks import DEEPSPEED_CASES, peak_of_verb, write_sized_workspace
from rilctl.testing.ranks import QUIET

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("case", ["sft ZeRO-3", "sft ZeRO-1 bfloat16"])
def test_the_estimate_of_divided_weights_is_within_a_quarter_of_the_peak(case: str, tmp_path: Path) -> None:
    write_sized_workspace(tmp_path)
    verb, overrides = DEEPSPEED_CASES[case]
    plan, measured = peak_of_verb(tmp_path, verb, overrides)
    assert plan["peak_memory"]["peak_bytes"] == pytest.approx(measured, rel=0.25)


def test_reading_and_saving_take_a_part_of_what_is_divided(tmp_path: Path) -> None:
    """Three models on two ranks, in bfloat16."""
    command = [sys.executable, str(BENCHMARKS / "divided.py"), "--ranks", "2", "--hidden", "512", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **QUIET})
    assert done.returncode == 0, done.stderr[-4000:]
    main, other = json.loads(done.stdout.splitlines()[-1])
    model_bytes = main["model_bytes"]
    for rank, report in enumerate((main, other)):
        # Its parts of three models; rank 0 has the one that it reads as well. Libraries take some megabytes.
        assert report["loading_bytes"] < (3 / 2 + (rank == 0) + 0.25) * model_bytes
        # Of 12 bytes a parameter, of which it writes half, a tensor at a time.
        assert report["saving_bytes"] < 0.5 * model_bytes
