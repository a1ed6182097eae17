"""Rows of one verb through the verbs."""

from pathlib import Path

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.schemas.records import ResponseRecord
from rilctl.stages.shared.context import StageResult
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace


def data_digest(result: StageResult) -> str:
    (path,) = {summary.path for summary in result.outputs.values()}
    return next(entry.digest for entry in read_manifest(Path(path)).inputs if entry.role == "data")


def test_sft_learns_more_than_teachers_are_asked(tmp_path: Path) -> None:
    write_workspace(tmp_path, num_questions=12)
    fewer = ("data.select.num_samples=4", "sft.data.select.num_samples=8", "sft.num_steps=1", "sft.validate_every=9")
    cached = run_stage(tmp_path, "cache-teacher", *fewer)
    asked = {row.sample_id for row in read_rows(Path(cached.outputs["teacher-cache"].path), ResponseRecord)}
    assert len(asked) == 4
    own = run_stage(tmp_path, "sft", *fewer, out=tmp_path / "own")
    shared = run_stage(tmp_path, "sft", fewer[0], *fewer[2:], out=tmp_path / "shared")
    as_own = run_stage(tmp_path, "sft", "data.select.num_samples=8", *fewer[2:], out=tmp_path / "as-own")
    assert data_digest(own) == data_digest(as_own) != data_digest(shared)
    assert data_digest(cached) == data_digest(shared)
    # the same rows named another way are the same run
    assert run_stage(tmp_path, "sft", "data.select.num_samples=8", *fewer[2:], out=tmp_path / "own").up_to_date
