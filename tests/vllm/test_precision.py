"""The bound on log-probabilities holds for weights that were sent, and fails for others, in every precision."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.engines.generation.vllm.proof import LOGPROB_BOUND

from .conftest import MODEL


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_bound(dtype, capsys):
    script = Path(__file__).with_name("precision.py")
    done = subprocess.run([sys.executable, script, MODEL, dtype], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    sent, stale = measured["sent"], measured["stale"]
    with capsys.disabled():
        print(
            f"\n{dtype}: log-probabilities differ by {min(sent):.2g} to {max(sent):.2g}, of other weights {stale:.2g}"
        )
    assert max(sent) <= LOGPROB_BOUND[dtype] < stale
