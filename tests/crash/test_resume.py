"""What a resumed run trusts is as it was, or the run is refused, and says how to go on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rilctl.errors import ArtifactError, InterruptedByUser
from rilctl.testing.stages import StopsAfter, run_stage, write_trainable_workspace

INTERRUPTED_AT = 4
STATE = f"resume/step-{INTERRUPTED_AT:08d}"
TRAIN = ("train.validate_every=1", "train.checkpoint_every=2")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_trainable_workspace(tmp_path_factory.mktemp("workspace"))
    run_stage(directory, "train", *TRAIN, out=directory / "whole")
    impatient = StopsAfter(INTERRUPTED_AT)
    with pytest.raises(InterruptedByUser):
        run_stage(directory, "train", *TRAIN, out=directory / "stopped", reporter=impatient, stop=impatient.stop)
    return directory


@pytest.fixture
def out(workspace: Path) -> Path:
    """A run that was interrupted, for this test alone."""
    copy = workspace / "again"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(workspace / "stopped", copy)
    return copy


def go_on(workspace: Path, out: Path) -> None:
    run_stage(workspace, "train", *TRAIN, out=out)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def best_of(out: Path) -> Path:
    state = json.loads((out / STATE / "checkpoint.json").read_text())["state"]
    return out / f"resume/best-{state['best_step']:08d}"


def test_the_same_command_goes_on_to_the_same_artifacts(workspace: Path, out: Path) -> None:
    go_on(workspace, out)
    whole = workspace / "whole"
    assert (out / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    for role in ("student", "best-student", "discriminator", "rollouts"):
        digests = [json.loads((run / role / "manifest.json").read_text())["content_digest"] for run in (out, whole)]
        assert digests[0] == digests[1]
    assert not (out / "resume").exists()


@pytest.mark.parametrize("change", [flipped, halved, emptied, Path.unlink], ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    "name",
    [
        f"{STATE}/checkpoint.json",
        f"{STATE}/policy/training-00000.safetensors",
        f"{STATE}/discriminator/training-00000.safetensors",
        "resume/rollouts.jsonl",
        "metrics.jsonl",
        "timings.jsonl",
        "best/model.safetensors",
        "best/config.json",
    ],
)
def test_what_was_changed_between_a_stop_and_the_next_start_is_refused(
    workspace: Path, out: Path, name: str, change: Callable[[Path], object]
) -> None:
    path = best_of(out) / name.removeprefix("best/") if name.startswith("best/") else out / name
    change(path)
    with pytest.raises(ArtifactError) as caught:
        go_on(workspace, out)
    assert str(path) in str(caught.value)
    assert caught.value.hint == f"delete `{out}/resume` and run the same command again: it starts over"


def test_the_way_out_is_one(workspace: Path, out: Path) -> None:
    emptied(out / "resume/rollouts.jsonl")
    shutil.rmtree(out / "resume")
    go_on(workspace, out)
    assert (out / "metrics.jsonl").read_bytes() == (workspace / "whole/metrics.jsonl").read_bytes()


def test_answers_stored_beside_a_checkpoint_are_checked_as_well(workspace: Path, out: Path) -> None:
    (out / "resume/sampled-00000.jsonl").write_text('{"sha256":"0","value":{}}\n')
    with pytest.raises(ArtifactError, match=r"sampled-00000\.jsonl`, line 1") as caught:
        go_on(workspace, out)
    assert "is asked again" in str(caught.value.hint)


@pytest.mark.parametrize("step", [2, 5, 900])
def test_a_checkpoint_that_was_renamed_is_refused(workspace: Path, out: Path, step: int) -> None:
    (out / STATE).rename(out / f"resume/step-{step:08d}")
    with pytest.raises(ArtifactError, match="was renamed"):
        go_on(workspace, out)


def test_a_checkpoint_beyond_the_last_step_is_refused(workspace: Path, out: Path) -> None:
    with pytest.raises(ArtifactError, match="lies beyond this run's 3 steps"):
        run_stage(workspace, "train", *TRAIN, "train.num_steps=3", out=_pinned_to_fewer_steps(workspace, out))


def _pinned_to_fewer_steps(workspace: Path, out: Path) -> Path:
    """A shorter run's directory, with a longer one's checkpoint."""
    shorter, impatient = workspace / "shorter", StopsAfter(1)
    shutil.rmtree(shorter, ignore_errors=True)
    with pytest.raises(InterruptedByUser):
        run_stage(
            workspace,
            "train",
            *TRAIN,
            "train.num_steps=3",
            out=shorter,
            reporter=impatient,
            stop=impatient.stop,
        )
    shutil.rmtree(shorter / "resume")
    shutil.copytree(out / "resume", shorter / "resume")
    return shorter


def test_a_file_that_somebody_put_into_a_checkpoint_is_refused(workspace: Path, out: Path) -> None:
    shutil.copyfile(
        out / STATE / "policy/training-00000.safetensors", out / STATE / "policy/training-00001.safetensors"
    )
    with pytest.raises(ArtifactError, match=r"training-00001\.safetensors` was not written by this run"):
        go_on(workspace, out)


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("rollouts", "rollouts` is gone, and `.*student` is there"),
        ("student", "student` is gone, and `.*best-student` is there"),
        ("student/manifest.json", r"student` has files, and no manifest\.json"),
    ],
)
def test_parts_of_two_runs_never_stand_side_by_side(workspace: Path, tmp_path: Path, gone: str, expected: str) -> None:
    """Other execution keys make another student, of the same provenance."""
    shutil.copytree(workspace / "whole", tmp_path / "train")
    path = tmp_path / "train" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = {file: file.read_bytes() for file in (tmp_path / "train").rglob("*.json*")}
    with pytest.raises(ArtifactError, match=expected):
        run_stage(workspace, "train", *TRAIN, "train.engine.tokens_per_micro_batch=64", out=tmp_path / "train")
    assert {file: file.read_bytes() for file in (tmp_path / "train").rglob("*.json*")} == before
