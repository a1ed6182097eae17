"""The road of a rollout is as short as docs/design.md says."""

from pathlib import Path

from .road import follow

STATIONS = {
    "engines/judging/base.py",
    "models/discriminator.py",
    "models/policy.py",
    "algorithms/policy_loss.py",
    *(f"stages/train/{name}.py" for name in ("asking", "sampled", "groups", "verdicts", "rewarding", "rollout_log")),
}


def test_no_more_than_32_files_see_a_rollout(tmp_path: Path) -> None:
    files, beside = follow(tmp_path, "ril")
    assert files.keys() >= STATIONS and "algorithms/policy_metrics.py" in beside
    assert len(files) - len(beside) <= 32, sorted(files.keys() - beside.keys())
