"""What `ArtifactWriter` leaves on disk."""

import math
from hashlib import sha256

import pytest

from rilctl.artifacts import tables
from rilctl.artifacts.digests import canonical_json, sha256_file
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.verify import verify
from rilctl.errors import ArtifactError, UsageError
from rilctl.schemas.manifest import Manifest
from rilctl.schemas.records import RejectedRecord, ResponseRecord, VerdictRecord


def test_the_manifest_says_what_was_written(written, make_rows, data_input):
    manifest = read_manifest(written)
    rows = make_rows(5)
    assert manifest.kind == "teacher-cache"
    assert (manifest.num_rows, manifest.num_rejected) == (5, 1)
    assert manifest.num_tokens == sum(len(row.token_ids) for row in rows if row.token_ids is not None) > 0
    each = sorted(sha256(canonical_json(row.model_dump(mode="json", exclude_none=True))).digest() for row in rows)
    assert manifest.content_digest == sha256(b"".join(each)).hexdigest()
    assert manifest.inputs == [data_input]
    assert manifest.config["workers"] == 1
    assert manifest.metrics == {"seconds_per_row": 0.5}
    assert {"rilctl", "python", "pydantic", "pyarrow"} <= manifest.versions.keys()
    assert {"processor", "cores", "memory"} <= manifest.hardware.keys()
    assert read_run(written).hardware.keys() == manifest.hardware.keys()
    assert {entry.path for entry in manifest.files} == {"rows-00000-of-00001.parquet", "rejected.jsonl"}
    for entry in manifest.files:
        file = written / entry.path
        assert (file.stat().st_size, sha256_file(file)) == (entry.size_bytes, entry.sha256)
    assert not list(written.glob(".tmp-*"))


def test_rows_come_back_in_order_over_many_shards(start, make_rows, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 3)
    monkeypatch.setattr(tables, "ROWS_PER_SHARD", 6)
    rows = make_rows(20)
    with start() as run:
        writer = run.writer("teacher-cache")
        for first in range(0, 20, 4):
            writer.write_rows(rows[first : first + 4])
        writer.commit()
    assert sorted(p.name for p in run.path.glob("rows-*")) == [f"rows-0000{i}-of-00004.parquet" for i in range(4)]
    assert list(read_rows(run.path, ResponseRecord)) == rows
    assert verify(run.path).ok


def test_no_rows_make_one_empty_shard_with_typed_columns(start):
    import pyarrow.parquet as pq

    with start() as run:
        summary = run.writer("verdicts").commit()
    assert summary.rows == 0
    shard = run.path / "rows-00000-of-00001.parquet"
    assert pq.read_schema(shard).equals(tables.arrow_schema(VerdictRecord))
    assert list(read_rows(run.path, VerdictRecord)) == []
    assert read_manifest(run.path).num_tokens is None


def test_a_partial_artifact_is_replaced_with_all_its_files(start, make_rows, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 1)
    with start() as run, monkeypatch.context() as small:
        small.setattr(tables, "ROWS_PER_SHARD", 2)
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(6))
        writer.write_rejected([RejectedRecord(sample_id="x", source="s", reason="r", message="m")])
        assert writer.commit(status="partial").status == "partial"
        assert run.finished() is None
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(7))
        assert writer.commit().status == "complete"
    assert sorted(p.name for p in run.path.glob("r*.parquet")) == ["rows-00000-of-00001.parquet"]
    assert verify(run.path).problems == []


def test_a_complete_artifact_is_never_replaced(start, written, make_rows):
    before = (written / "manifest.json").read_bytes()
    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(2))
        assert writer.commit().rows == 5
    assert (written / "manifest.json").read_bytes() == before
    assert verify(written).ok


def test_a_users_file_in_the_way_is_not_overwritten(start):
    with start() as run:
        (run.path / "page.html").write_text("mine")
        writer = run.writer("report")
        (writer.staging() / "page.html").write_text("ours")
        with pytest.raises(UsageError, match=r"page\.html"):
            writer.commit()
        assert (run.path / "page.html").read_text() == "mine"
        assert not (run.path / "manifest.json").exists()


def test_files_in_folders_are_listed_and_moved(start):
    with start() as run:
        writer = run.writer("report")
        (writer.staging() / "img").mkdir()
        (writer.staging() / "img" / "plot.svg").write_text("<svg/>")
        (writer.staging() / "index.html").write_text("<html/>")
        summary = writer.commit()
    assert summary.rows is None
    assert [entry.path for entry in read_manifest(run.path).files] == ["img/plot.svg", "index.html"]
    assert (run.path / "img" / "plot.svg").read_text() == "<svg/>"
    assert verify(run.path).problems == []


def test_the_runs_own_names_are_refused(start):
    with start() as run:
        writer = run.writer("report")
        (writer.staging() / "metrics.jsonl").write_text("{}")
        with pytest.raises(ValueError, match=r"metrics\.jsonl"):
            writer.commit()


def test_weights_and_texts_make_the_content_digest_of_a_student(start):
    import numpy as np
    from safetensors.numpy import save_file

    digests = []
    for name, readme, template in (("a", "first", "{{ x }}"), ("b", "second", "{{ x }}"), ("c", "first", "{{ y }}")):
        with start() as run:
            writer = run.writer("student", name)
            save_file({"w": np.arange(6, dtype=np.float32)}, writer.staging() / "model.safetensors")
            (writer.staging() / "README.md").write_text(readme)
            (writer.staging() / "chat_template.jinja").write_text(template)
            digests.append(writer.commit(metrics={"loss": 1.0}).content_digest)
            assert verify(run.path / name).problems == []
    assert digests[0] == digests[1] != digests[2]


def test_a_student_without_weights_is_refused(start):
    with start() as run:
        writer = run.writer("student")
        (writer.staging() / "config.json").write_text("{}")
        with pytest.raises(ArtifactError, match="no weights"):
            writer.commit()
        assert not (run.path / "manifest.json").exists()


def test_rows_of_another_type_are_a_programming_error(start, make_rows):
    with start() as run, pytest.raises(TypeError, match="ResponseRecord"):
        run.writer("verdicts").write_rows(make_rows(1))


def test_metrics_that_could_not_be_computed_are_absent(start, written, tmp_path):
    with start(tmp_path / "other") as run:
        run.writer("verdicts").commit(metrics={"auc": math.nan, "margin": math.inf, "accuracy": 1})
    assert read_manifest(run.path).metrics == {"accuracy": 1.0}


def test_the_manifest_on_disk_is_json_for_people(written):
    text = (written / "manifest.json").read_text()
    assert text.startswith('{\n  "kind": "teacher-cache"')
    assert Manifest.model_validate_json(text) == read_manifest(written)
