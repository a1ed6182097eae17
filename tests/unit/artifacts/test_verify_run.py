"""What should stand in a run's directory, and what shouldn't."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rilctl.artifacts.listing import list_unfinished
from rilctl.artifacts.read import resolve
from rilctl.artifacts.verify_run import is_run, verify_run
from rilctl.errors import ArtifactError
from rilctl.models.loaded.source import find_model
from rilctl.schemas.manifest import ArtifactKind

ROLES: dict[str, ArtifactKind] = {"student": "student", "best-student": "student", "rollouts": "rollouts"}


@pytest.fixture
def trained(start) -> Iterator[Path]:
    """A run with three roles and both logs."""
    import numpy as np
    from safetensors.numpy import save_file

    with start(roles=ROLES) as run:
        for name in ("metrics.jsonl", "timings.jsonl"):
            (run.path / name).write_text('{"step": 1}\n')
        for role, kind in ROLES.items():
            writer = run.writer(kind, role)
            if kind == "student":
                save_file({"w": np.zeros(3, dtype=np.float32)}, writer.staging() / "model.safetensors")
                (writer.staging() / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
            writer.commit()
    return run.path


def problems(path: Path) -> dict[str, str]:
    return {problem.file: problem.problem for problem in verify_run(path).problems}


def test_a_whole_run(trained):
    assert is_run(trained) and not is_run(trained / "student")
    report = verify_run(trained)
    assert (report.problems, report.leftovers) == ([], [])
    assert list_unfinished(trained) == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("what", ["", "manifest.json"])
def test_a_role_that_is_gone(trained, role, what):
    gone = trained / role / what
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert list(problems(trained)) == [f"{role}/manifest.json"]
    (unfinished,) = list_unfinished(trained)
    assert unfinished.reason == f"`{trained}` is not whole: it has no {role}"


def test_another_student_does_not_stand_in_for_one_that_is_gone(trained):
    (trained / "student" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="has lost its manifest"):
        resolve(trained, "student")


def test_a_student_without_its_manifest_is_no_model_of_somebodys(trained):
    assert find_model(str(trained / "student"), revision=None, base_dir=trained).path == trained / "student"
    (trained / "student" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="a part of a run"):
        find_model(str(trained / "student"), revision=None, base_dir=trained)


@pytest.mark.parametrize("name", ["metrics.jsonl", "timings.jsonl"])
def test_a_log_that_was_edited_or_is_gone(trained, name):
    (trained / name).write_text('{"step": 2}\n')
    assert "has sha256" in problems(trained)[name]
    (trained / name).unlink()
    assert problems(trained) == {name: "is missing"}


def test_a_log_where_none_was(written):
    (written / "metrics.jsonl").write_text("{}\n")
    assert problems(written) == {"metrics.jsonl": "is in no manifest"}


def test_a_run_file_that_is_gone_or_of_another_run(trained, written, start):
    (trained / "run.json").unlink()
    assert "is missing" in problems(trained)["run.json"]
    with start(trained.parent / "other", semantic={"other": 1}) as other:
        shutil.copy(other.path / "run.json", trained)
    assert problems(trained) == {"run.json": "is of another run than an artifact beside it"}


@pytest.mark.parametrize("name", ["added_tokens.json", "notes/of/mine.txt", "extra/manifest.json"])
def test_a_file_that_is_nobodys(trained, name):
    (trained / name).parent.mkdir(parents=True, exist_ok=True)
    (trained / name).write_text("{}")
    assert problems(trained) == {name: "is in no manifest"}


def test_a_run_of_its_own_inside_is_left_alone(trained, start):
    with start(trained / "eval"):
        pass
    assert problems(trained) == {}


def test_scratch_of_a_finished_run_is_left_over(trained):
    (trained / "resume").mkdir()
    (trained / ".tmp-run.json.part").write_text("")
    report = verify_run(trained)
    assert (report.problems, report.leftovers) == ([], ["resume", ".tmp-run.json.part"])
    (unfinished,) = list_unfinished(trained)
    assert "is finished, and `resume` was left in it" in unfinished.reason


def test_the_next_start_sweeps_it(start, trained):
    (trained / "resume" / "step-00000002").mkdir(parents=True)
    with start(trained, roles=ROLES) as run:
        assert run.finished() is not None
        assert not (trained / "resume").exists()
    assert list_unfinished(trained) == []


def test_that_of_a_run_that_goes_on_stays(start, trained):
    (trained / "resume").mkdir()
    shutil.rmtree(trained / "rollouts")
    with start(trained, roles=ROLES) as run:
        assert run.finished() is None
        assert (trained / "resume").exists()
    (unfinished,) = list_unfinished(trained)
    assert "half-written" in unfinished.reason
