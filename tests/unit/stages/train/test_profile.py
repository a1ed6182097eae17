import gzip
import json
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest
from rilctl.artifacts.verify_run import verify_run
from rilctl.errors import ConfigError
from rilctl.reporting.metrics import read_metrics
from rilctl.reporting.progress import SilentReporter
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

SETS = ("train.algorithm.name=dr_grpo", "train.num_steps=3", "train.validate_every=3")


class Heard(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def test_a_trace_of_the_steps_named_has_their_phases_and_changes_nothing(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    run_stage(tmp_path, "sft", "sft.num_steps=1")
    heard = Heard()
    plain = run_stage(tmp_path, "train", *SETS, out=tmp_path / "plain")
    traced = run_stage(tmp_path, "train", *SETS, "train.profile.steps=[1, 3]", out=tmp_path / "traced", reporter=heard)
    folder = tmp_path / "traced/profile"
    names = [f"step-0000000{step}-rank-00000.json.gz" for step in (1, 3)]
    assert sorted(file.name for file in folder.iterdir()) == names
    for name, has_validation in zip(names, (False, True), strict=True):
        events = json.loads(gzip.decompress((folder / name).read_bytes()))["traceEvents"]
        ranges = {event["name"] for event in events if event.get("cat") == "user_annotation"}
        assert {"rollouts", "prefill", "reference", "policy update"} <= ranges
        assert ("validation" in ranges) == has_validation
        assert any(event["name"] == "aten::mm" for event in events)
    assert any(line.startswith(f"profile: {folder}; open *.json.gz at ") for line in heard.lines)
    assert (tmp_path / "plain/metrics.jsonl").read_bytes() == (tmp_path / "traced/metrics.jsonl").read_bytes()
    digests = [
        {role: read_manifest(Path(out.path)).content_digest for role, out in result.outputs.items()}
        for result in (plain, traced)
    ]
    assert digests[0] == digests[1]
    assert verify_run(tmp_path / "traced").problems == []
    assert "prefill_s" in read_metrics(tmp_path / "traced/timings.jsonl")[-1]


def test_a_step_that_will_never_be_is_refused(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    with pytest.raises(ConfigError, match="profile.steps names step 9, and num_steps is 3"):
        run_stage(tmp_path, "train", *SETS, "train.profile.steps=[9]")
