"""Our side of the benchmarks takes a step; the figures, and the other side, are made by `nox -s bench`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STEP = """
import sys
from pathlib import Path
from ours import OurSide
from shapes import Shape, make_samples, small_size, write_model

shape = Shape(small_size(64, 2), image_tokens=4, new_tokens=4, num_rows=2)
write_model(Path(sys.argv[1]), shape)
samples = make_samples(shape, 2)
side = OurSide(Path(sys.argv[1]), shape, sys.argv[2])
print(*side.step(samples, side.teachers(samples)), sep=", ")
"""


@pytest.mark.parametrize(
    ("algorithm", "phases"),
    [
        ("dr_grpo", "rollout, policy update, other"),  # as the peer has none, it has no reference
        ("ril", "rollout, discriminator update, score, reference, policy update, other"),
    ],
)
def test_a_step_is_taken_and_its_phases_are_timed(tmp_path: Path, algorithm: str, phases: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP, str(tmp_path), algorithm],
        cwd=BENCHMARKS,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{phases}\n"
