"""Finding and reading artifacts, and what damaged ones get."""

import shutil

import pytest

from rilctl.artifacts.read import (
    check_files,
    input_entry,
    read_manifest,
    read_rejected,
    read_rows,
    resolve,
    summarize,
)
from rilctl.errors import ArtifactError
from rilctl.models.loaded.source import find_model
from rilctl.schemas.records import RejectedRecord, ResponseRecord, VerdictRecord


def test_resolve_takes_the_directory_itself(written):
    assert resolve(written, "teacher-cache") == written


def test_resolve_takes_the_child_named_as_the_kind_before_others(start, make_rows):
    with start() as run:
        for role in ("responses", "other"):
            writer = run.writer("responses", role)
            writer.write_rows(make_rows(1))
            writer.commit()
        run.writer("verdicts", "odd-name").commit()
    assert resolve(run.path, "responses") == run.path / "responses"
    assert resolve(run.path, "verdicts") == run.path / "odd-name"
    with pytest.raises(ArtifactError, match="no rollouts") as caught:
        resolve(run.path, "rollouts")
    assert "`odd-name` (verdicts)" in caught.value.message
    shutil.rmtree(run.path / "responses")
    assert resolve(run.path, "responses") == run.path / "other"


def test_resolve_does_not_choose_between_two_children(start):
    with start() as run:
        for role in ("first", "second"):
            run.writer("verdicts", role).commit()
    with pytest.raises(ArtifactError, match="`first`, `second`"):
        resolve(run.path, "verdicts")


def test_of_a_folder_of_runs_the_only_one_of_a_kind_is_meant_and_several_are_named(start, make_rows, tmp_path):
    for name in ("a", "b"):
        with start(tmp_path / "runs" / name / "cache-teacher") as run:
            writer = run.writer("teacher-cache")
            writer.write_rows(make_rows(1))
            writer.commit()
    with start(tmp_path / "runs/a/judge", verb="judge", roles={"verdicts": "verdicts"}) as run:
        run.writer("verdicts").commit()
    runs = tmp_path / "runs"
    for folder in (runs, runs / "a"):
        assert resolve(folder, "verdicts") == runs / "a/judge"
        with pytest.raises(ArtifactError, match="is a folder of runs, and none of them has made a student") as caught:
            resolve(folder, "student")
        assert caught.value.hint == "`rilctl sft` or `rilctl train` makes a student"
    with pytest.raises(ArtifactError, match="is a folder of runs, with several of kind teacher-cache") as caught:
        resolve(runs, "teacher-cache")
    assert caught.value.hint == (f"name one of them: `{runs / 'a/cache-teacher'}`, `{runs / 'b/cache-teacher'}`")
    with pytest.raises(ArtifactError, match="is a folder of runs, and none"):
        find_model("runs", revision=None, base_dir=tmp_path)
    (runs / "config.json").write_text('{"model_type": "qwen3"}')  # a model that somebody trained from in its own folder
    assert find_model("runs", revision=None, base_dir=tmp_path).family.name == "text"


def test_a_missing_directory_gets_a_suggestion(written):
    with pytest.raises(ArtifactError, match="doesn't exist") as caught:
        resolve(written.with_name("outt"), "teacher-cache")
    assert caught.value.exit_code == 5
    assert caught.value.hint == f"did you mean `{written}`?"


def test_a_missing_directory_without_neighbours_gets_the_verb(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        resolve(tmp_path / "no" / "where", "teacher-cache")
    assert caught.value.hint == "`rilctl cache-teacher` makes a teacher-cache"


def test_a_file_is_no_artifact(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(ArtifactError, match="it is a file"):
        resolve(tmp_path / "f", "student")


def test_a_folder_of_something_else_is_no_artifact(tmp_path):
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        resolve(tmp_path, "student")


def test_a_wrong_kind_is_named_with_the_right_one(written):
    with pytest.raises(ArtifactError, match="holds a teacher-cache, not a student"):
        resolve(written, "student")


def test_an_interrupted_run_says_how_to_go_on(start):
    with start() as run:
        pass
    for read in (read_manifest, lambda path: resolve(path, "teacher-cache")):
        with pytest.raises(ArtifactError, match="half-written") as caught:
            read(run.path)
        assert "run the same command again" in (caught.value.hint or "")


def test_a_partial_artifact_is_no_input(start, make_rows):
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(2))
        writer.commit(status="partial")
    assert summarize(run.path).status == "partial"
    for read in (lambda: resolve(run.path, "teacher-cache"), lambda: read_rows(run.path, ResponseRecord)):
        with pytest.raises(ArtifactError, match="partial"):
            read()


def test_rejected_rows_are_read_back_and_checked(start, make_rows):
    rejected = RejectedRecord(sample_id="x", source="s", reason="r", message="half a pair: \ud800")
    assert rejected.message == "half a pair: \\ud800"
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(3))
        writer.write_rejected([rejected])
        writer.commit()
    assert read_rejected(run.path) == [rejected]
    (run.path / "rejected.jsonl").write_text("")
    with pytest.raises(ArtifactError, match=r"rejected\.jsonl` was changed"):
        read_rejected(run.path)


def test_an_artifact_without_rejected_rows_has_none_to_read(start, make_rows):
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(3))
        writer.commit()
    assert read_rejected(run.path) == []


def test_rows_of_another_type_are_refused(written):
    with pytest.raises(ArtifactError, match="teacher-cache, which has no rows of type VerdictRecord"):
        read_rows(written, VerdictRecord)


@pytest.mark.parametrize("where", [4, 0.5, -5])
def test_one_changed_byte_is_found_and_named(written, where):
    shard = next(written.glob("rows-*"))
    data = bytearray(shard.read_bytes())
    position = int(len(data) * where) if isinstance(where, float) else where
    data[position] ^= 1
    shard.write_bytes(data)
    expected = next(e.sha256 for e in read_manifest(written).files if e.path == shard.name)
    for read in (lambda: list(read_rows(written, ResponseRecord)), lambda: check_files(written)):
        with pytest.raises(ArtifactError, match="was changed since it was written") as caught:
            read()
        assert shard.name in caught.value.message
        assert expected in caught.value.message
        assert caught.value.hint


def test_a_missing_shard_is_named(written):
    shard = next(written.glob("rows-*"))
    shard.unlink()
    with pytest.raises(ArtifactError, match=shard.name):
        list(read_rows(written, ResponseRecord))


def test_intact_files_pass(written):
    check_files(written)


def test_a_newer_schema_is_refused_though_its_keys_are_unknown(written, edit_manifest):
    edit_manifest(written, schema_version=99, something_new=1)
    with pytest.raises(ArtifactError, match="schema version 99") as caught:
        read_manifest(written)
    assert caught.value.hint == "upgrade rilctl"


@pytest.mark.parametrize(
    ("text", "message"), [("{", "no valid JSON"), ("\xff", "no valid JSON"), ("[]", "no valid manifest")]
)
def test_a_damaged_manifest_is_named(written, text, message):
    (written / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match=message) as caught:
        read_manifest(written)
    assert str(written / "manifest.json") in caught.value.message


def test_a_missing_or_odd_key_is_named(written, edit_manifest):
    edit_manifest(written, num_rejected="many")
    with pytest.raises(ArtifactError, match="`num_rejected`"):
        read_manifest(written)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "..\\b", ""])
def test_a_manifest_can_not_point_outside(written, name, edit_manifest):
    edit_manifest(written, files=[{"path": name, "size_bytes": 1, "sha256": "0"}])
    with pytest.raises(ArtifactError, match="outside"):
        read_manifest(written)


def test_a_row_that_does_not_fit_is_named(written, edit_manifest):
    import hashlib

    import pyarrow as pa
    import pyarrow.parquet as pq

    shard = next(written.glob("rows-*"))
    (written / "rejected.jsonl").unlink()
    table = pq.read_table(shard)
    pq.write_table(table.set_column(2, "side", pa.array(["teacher"] * 3 + ["nobody"] * 2)), shard)
    data = shard.read_bytes()
    entry = {"path": shard.name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit_manifest(written, files=[entry])
    with pytest.raises(ArtifactError, match=rf"{shard.name}`, row 4: side:"):
        list(read_rows(written, ResponseRecord))


def test_input_entry_pins_the_content(written):
    entry = input_entry("teacher-cache", written)
    assert (entry.role, entry.kind, entry.name) == ("teacher-cache", "artifact", str(written))
    assert entry.digest == read_manifest(written).content_digest == summarize(written).content_digest
