"""Every algorithm and every family trains as it did when its trajectory was recorded.

Where the kernels are those of the recording, to the last bit. Elsewhere sums are rounded otherwise, and AdamW's first
steps are as long for a gradient of rounding errors as for any other. Measured with kernels for AVX2, for SSE 4.1 and
with MKL's compatible ones: what is sampled, rewarded and counted is the same, other numbers differ by 2.3e-5 of
themselves and less, logits near 0 by 2e-6.
"""

import json
from pathlib import Path

import pytest

from rilctl.config.algorithms import ALGORITHMS

from .trajectories import PART, RECORDINGS, made_with, record, verb_of, write_workspace

ELSEWHERE = {"tolerance": 1e-4, "floor": 1e-5}
NAMES = sorted(file.stem for file in RECORDINGS.glob("*.json"))
UNUSED = {"vision_tower.post_layernorm/norm"}
"""LLaVA takes the layer before it."""
ADVANTAGE = "rollouts/advantage/"

Workspace = tuple[Path, dict[str, tuple[str, ...]]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    directory = tmp_path_factory.mktemp("workspace")
    return directory, write_workspace(directory)


def test_every_algorithm_and_every_family_has_a_recording(workspace: Workspace):
    assert sorted(workspace[1]) == NAMES, "python -m tests.golden.record NAME"


@pytest.mark.parametrize("name", NAMES)
def test_trains_as_it_did(name: str, workspace: Workspace, tmp_path: Path):
    directory, runs = workspace
    recorded = RECORDINGS / f"{name}.json"
    is_exact = json.loads(recorded.read_text())["made_with"] == made_with()
    found = PART.differences(
        PART.read(recorded),
        record(directory, runs[name], tmp_path / "out", verb_of(name)),
        **({} if is_exact else ELSEWHERE),
    )
    assert not list(map(str, found))


def test_recordings_have_something_to_tell():
    """Rows of a step have different advantages, and each layer a gradient."""
    for name in NAMES:
        for step in PART.read(RECORDINGS / f"{name}.json").values():
            has_rewards = verb_of(name) == "train" and (name not in ALGORITHMS or bool(ALGORITHMS[name].rewards))
            assert not has_rewards or len({step[key] for key in step if key.startswith(ADVANTAGE)}) > 1, name
            norms = {key: step[key] for key in step if key.startswith("gradients/") and key.endswith("/norm")}
            without = {key.rpartition("model.")[2] for key, norm in norms.items() if norm == 0}
            assert norms and without <= UNUSED, name
