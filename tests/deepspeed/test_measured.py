"""The plan's memory against the peak of a run on DeepSpeed, as in `tests/unit/planning/test_measured.py`."""

from pathlib import Path

import pytest

from rilctl.testing.peaks import DEEPSPEED_CASES, peak_of_verb, write_sized_workspace


def test_the_estimate_of_divided_weights_is_within_a_quarter_of_the_peak(tmp_path: Path) -> None:
    write_sized_workspace(tmp_path)
    verb, overrides = DEEPSPEED_CASES["sft ZeRO-3"]
    plan, measured = peak_of_verb(tmp_path, verb, overrides)
    assert plan["peak_memory"]["peak_bytes"] == pytest.approx(measured, rel=0.25)
