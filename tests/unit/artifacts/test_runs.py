"""`open_run` pins a directory to one run and never touches what is not ours."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.errors import ArtifactError, LockedError, UsageError
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import RejectedRecord


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_finished_run_is_up_to_date_and_untouched(start, written):
    before = snapshot(written)
    with start() as run:
        summary = run.finished()
    assert summary is not None
    assert (summary["teacher-cache"].rows, summary["teacher-cache"].status) == (5, "complete")
    assert snapshot(written) == before


def test_only_execution_config_may_change(start, written):
    with start(config={"workers": 8}) as run:
        assert run.finished() is not None


def test_another_config_is_refused_with_the_keys_and_three_ways_out(start, written):
    before = snapshot(written)
    semantic = {"cache-teacher": {"num_responses": 4, "sampling": {"temperature": 1.0}, "seed": 1}}
    with pytest.raises(UsageError) as caught, start(semantic=semantic):
        pass
    assert "`cache-teacher.num_responses`: 2 -> 4; `cache-teacher.seed`: absent -> 1" in caught.value.message
    assert caught.value.hint is not None
    for way_out in ("--out", "restore", "delete"):
        assert way_out in caught.value.hint
    assert snapshot(written) == before


def test_a_start_that_made_nothing_pins_nothing(start, data_input):
    with start() as run:
        run.writer("teacher-cache").write_rejected([])
    changed = data_input.model_copy(update={"digest": "e" * 64})
    with start(inputs=[changed]) as run:
        (run.path / "metrics.jsonl").write_text("{}\n")
    assert "e" * 64 in (run.path / "run.json").read_text()
    with pytest.raises(UsageError, match="holds a run that differs"):
        start().__enter__()


def test_a_long_value_is_cut_in_messages(start, written):
    with pytest.raises(UsageError) as caught:
        start(semantic={"imports": "x" * 1000}).__enter__()
    assert len(caught.value.message) < 500 and "x" * 70 in caught.value.message


def test_a_changed_input_is_named(start, written):
    changed = InputEntry(role="data", kind="data", name="digits-v2", digest="e" * 64)
    with pytest.raises(UsageError, match=r"input `data`: digits \(dddddddddddd\) -> digits-v2 \(eeeeeeeeeeee\)"):
        start(inputs=[changed]).__enter__()


def test_an_input_that_only_moved_is_the_same(start, written, data_input):
    with start(inputs=[data_input.model_copy(update={"name": "elsewhere"})]) as run:
        assert run.finished() is not None


def test_another_verb_is_refused(start, written):
    with pytest.raises(UsageError, match="verb: cache-teacher -> judge"):
        start(verb="judge").__enter__()


def test_a_directory_with_somebody_elses_files_is_refused_and_left_alone(start, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="thesis.tex"):
        start().__enter__()
    assert snapshot(out) == {"thesis.tex": b"mine"}


def test_an_out_that_is_a_file_is_refused(start, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        start().__enter__()


def test_an_out_below_a_file_is_refused(start, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="can't make"):
        start(tmp_path / "file" / "out").__enter__()


def test_an_empty_directory_is_taken(start, tmp_path):
    (tmp_path / "out").mkdir()
    with start() as run:
        assert (run.path / "run.json").exists()


def test_a_second_writer_is_told_who_the_first_is(start, tmp_path):
    import os

    with start(), pytest.raises(LockedError, match=rf"process {os.getpid()} on .+ since 20"):
        start().__enter__()


def test_a_damaged_run_file_is_an_artifact_error(start, written):
    (written / "run.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"run\.json"):
        start().__enter__()


def test_roles_live_in_their_own_directories(start, make_rows):
    roles = {"responses": "responses", "best": "responses"}
    with start(roles=roles) as run:
        for role in roles:
            assert run.finished() is None
            writer = run.writer("responses", role)
            writer.write_rows(make_rows(3))
            writer.commit()
        found = run.finished()
    assert found is not None
    assert {role: Path(summary.path) for role, summary in found.items()} == {role: run.path / role for role in roles}


def test_a_roles_directory_with_other_files_is_refused(start):
    with start() as run:
        (run.path / "responses").mkdir()
        (run.path / "responses" / "notes.txt").write_text("mine")
        with pytest.raises(UsageError, match="not of this run"):
            run.writer("responses", "responses")


def test_a_file_that_is_gone_is_not_up_to_date_but_an_error(start, written):
    next(written.glob("rows-*.parquet")).unlink()
    with pytest.raises(ArtifactError, match="is gone"):
        start().__enter__()


def test_scratch_survives_until_it_is_cleared(start):
    with start() as run:
        assert not (run.path / "resume").exists()
        (run.resume_dir / "optimizer.bin").write_bytes(b"state")
    with start() as run:
        assert (run.resume_dir / "optimizer.bin").read_bytes() == b"state"
        run.clear_resume()
        run.clear_resume()
        assert not (run.path / "resume").exists()


def test_leftovers_of_ours_are_swept_and_nothing_else(start):
    with start() as run:
        run.writer("responses", "responses").write_rejected([])
        run.writer("teacher-cache").write_rejected([])
        (run.path / ".tmp-manifest.json.part").write_bytes(b"half")
        (run.path / "metrics.jsonl").write_bytes(b"{}\n")
        (run.path / ".tmp-of-mine").write_bytes(b"mine")
    with start():
        pass
    assert sorted(snapshot(run.path)) == [".lock", ".tmp-of-mine", "metrics.jsonl", "run.json"]


def test_paths_and_order_of_inputs_do_not_change_the_provenance(tmp_path, data_input):
    other = InputEntry(role="student", kind="model", name="m", digest="f" * 64)
    arguments = {"verb": "train", "config": {}, "semantic": {"lr": 0.1}, "roles": {"student": "student"}}
    with open_run(tmp_path / "a", inputs=[data_input, other], **arguments) as first:
        pass
    moved = other.model_copy(update={"name": "elsewhere"})
    with open_run(tmp_path / "b", inputs=[moved, data_input], **arguments) as second:
        pass
    assert first.provenance_digest == second.provenance_digest


def test_a_run_may_lack_an_optional_role_but_not_lose_it(start, make_rows):
    roles = {"first": "responses", "maybe": "responses", "last": "responses"}

    def write(run, *names):
        for name in names:
            writer = run.writer("responses", name)
            writer.write_rows(make_rows(1))
            writer.commit()

    with start(roles=roles, optional={"maybe"}) as run:
        write(run, "first", "last")
        found = run.finished()
    assert found is not None and [*found] == ["first", "last"]
    other = run.path.with_name("other")
    with start(other, roles=roles, optional={"maybe"}) as run:
        write(run, "first", "maybe", "last")
    shutil.rmtree(other / "maybe")
    with pytest.raises(ArtifactError, match="maybe` is gone"):
        start(other, roles=roles, optional={"maybe"}).__enter__()


@pytest.fixture
def lacking(start, make_rows):
    """A finished run of two artifacts, one of which lacks a row."""
    with start(roles={"asked": "teacher-cache", "more": "teacher-cache"}) as run:
        for role, rejected in (
            ("asked", [RejectedRecord(sample_id="q9", source="x", reason="r", message="m")]),
            ("more", []),
        ):
            writer = run.writer("teacher-cache", role)
            writer.write_rows(make_rows(5))
            writer.write_rejected(rejected)
            writer.commit()
    return partial(start, roles={"asked": "teacher-cache", "more": "teacher-cache"})


def test_a_run_that_lacks_rows_is_opened_again_and_stays_open_until_it_is_complete(lacking, make_rows):
    with lacking(retry_rejected=True) as run:
        assert run.finished() is None
    with lacking() as run:  # as after a kill: without the flag
        assert run.finished() is None
        for role in ("asked", "more"):
            writer = run.writer("teacher-cache", role)
            writer.write_rows(make_rows(6))
            writer.commit()
    before = snapshot(run.path)
    with lacking(retry_rejected=True) as run:
        found = run.finished()
    assert found is not None and {summary.rows for summary in found.values()} == {6}
    assert snapshot(run.path) == before
