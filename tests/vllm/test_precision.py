"""Weights that were sent pass in every precision, and others don't."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import MODEL


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_bound(dtype, capsys):
    script = Path(__file__).with_name("precision.py")
    done = subprocess.run([sys.executable, script, MODEL, dtype], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    errors, allowed, num_looks = zip(*measured["sent"], strict=True)
    with capsys.disabled():
        print(
            f"\n{dtype}: log-probabilities differ by {min(errors):.2g} to {max(errors):.2g}, "
            f"{min(allowed):.2g} to {max(allowed):.2g} is allowed; found of other weights: {measured['found']}"
        )
    assert set(num_looks) == {1.0}
    assert all(error < 0.8 * bound for error, bound in zip(errors, allowed, strict=True))
    assert "0.1" in measured["found"]
