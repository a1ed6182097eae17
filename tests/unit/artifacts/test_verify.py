"""`verify` finds every kind of damage, and nothing in an intact artifact."""

import hashlib
import os
import shutil

import pytest

from rilctl.artifacts.digests import weights_digest
from rilctl.artifacts.verify import verify
from rilctl.errors import ArtifactError

SHARD = "rows-00000-of-00001.parquet"


def problems(path) -> dict[str, str]:
    report = verify(path)
    assert report.ok == (not report.problems)
    return {p.file: p.problem for p in report.problems}


def test_an_intact_artifact(written):
    report = verify(written)
    assert (report.ok, report.kind, report.num_files, report.num_rows) == (True, "teacher-cache", 2, 5)
    assert (report.covers_itself, report.leftovers) == (True, [])


def test_what_a_kill_left_behind_is_named_and_no_damage(written):
    (written / ".tmp-staging").mkdir()
    (written / ".tmp-staging" / "half.parquet").write_text("")
    (written / ".tmp-run.json.part").write_text("")
    (written / "resume").mkdir()
    report = verify(written)
    assert (report.ok, report.leftovers) == (True, [".tmp-run.json.part", ".tmp-staging/half.parquet"])


def test_a_copy_is_as_good(written, tmp_path):
    shutil.copytree(written, tmp_path / "copy")
    assert problems(tmp_path / "copy") == {}


def test_every_changed_byte_of_every_file_is_found(written):
    for file in (written / SHARD, written / "rejected.jsonl"):
        data = file.read_bytes()
        for position in range(0, len(data), max(1, len(data) // 25)):
            file.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
            first = next(p for p in verify(written).problems if p.file == file.name)
            assert first.problem.startswith("has sha256")
        file.write_bytes(data)
    assert problems(written) == {}


def test_a_truncated_file(written):
    data = (written / SHARD).read_bytes()
    (written / SHARD).write_bytes(data[:-10])
    texts = [p.problem for p in verify(written).problems if p.file == SHARD]
    assert texts[0] == f"has {len(data) - 10} bytes, expected {len(data)}"
    assert "Parquet" in texts[1]


def test_a_missing_file(written):
    (written / SHARD).unlink()
    assert problems(written)[SHARD] == "is missing"


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "added_tokens.json", "a/b", ".hidden", ".tmp-of-mine", "rows-00001-of-00002.parquet"]
)
def test_an_unexpected_file(written, name):
    (written / name).parent.mkdir(exist_ok=True)
    (written / name).write_text("")
    assert problems(written) == {name: "is not in the manifest"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [SHARD, "rejected.jsonl"])
def test_nobody_waits_for_a_pipe_in_the_place_of_a_file(written, name):
    (written / name).unlink()
    os.mkfifo(written / name)
    assert problems(written)[name] == "is no regular file"


@pytest.mark.timeout(120)
def test_nor_for_one_in_the_place_of_weights(start):
    import numpy as np
    from safetensors.numpy import save_file

    with start(roles={"student": "student"}) as run:
        writer = run.writer("student", "student")
        save_file({"w": np.zeros(3, dtype=np.float32)}, writer.staging() / "model.safetensors")
        writer.commit()
    (run.path / "student" / "model.safetensors").unlink()
    os.mkfifo(run.path / "student" / "model.safetensors")
    assert problems(run.path / "student")["model.safetensors"] == "is no regular file"


def test_a_link_in_the_place_of_a_file(written, tmp_path):
    (written / SHARD).rename(tmp_path / "elsewhere")
    (written / SHARD).symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in problems(written)[SHARD]


@pytest.mark.parametrize(
    ("key", "value"), [("num_rows", 6), ("num_tokens", 99), ("num_rejected", 0), ("content_digest", "0" * 64)]
)
def test_a_claim_that_is_not_true(written, key, value, edit_manifest):
    edit_manifest(written, **{key: value})
    assert problems(written)["manifest.json"].startswith(f"{key} says {value}, the files say ")


def test_a_row_that_does_not_fit_though_the_sha256_does(written, edit_manifest):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(written / SHARD)
    pq.write_table(table.set_column(2, "side", pa.array(["nobody"] * 5)), written / SHARD)
    data = (written / SHARD).read_bytes()
    rejected = (written / "rejected.jsonl").read_bytes()
    entries = [
        {"path": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in ((SHARD, data), ("rejected.jsonl", rejected))
    ]
    edit_manifest(written, files=entries)
    assert "row 1: side" in problems(written)[SHARD]


def test_changed_weights_and_pages(start):
    import numpy as np
    from safetensors.numpy import save_file

    with start() as run:
        student = run.writer("student", "student")
        save_file({"w": np.zeros(3, dtype=np.float32)}, student.staging() / "model.safetensors")
        student.commit()
        report = run.writer("report", "report")
        (report.staging() / "index.html").write_text("<p>1</p>")
        report.commit()
    save_file({"w": np.ones(3, dtype=np.float32)}, run.path / "student" / "model.safetensors")
    (run.path / "report" / "index.html").write_text("<p>2</p>")
    for role, file in (("student", "model.safetensors"), ("report", "index.html")):
        found = problems(run.path / role)
        assert "sha256" in found[file]
        assert "content_digest" in found["manifest.json"]
    (run.path / "student" / "model.safetensors").unlink()
    assert "can't be recomputed" in problems(run.path / "student")["manifest.json"]


def test_without_a_manifest_there_is_nothing_to_verify(tmp_path):
    with pytest.raises(ArtifactError, match="no artifact"):
        verify(tmp_path)


def test_a_student_of_version_2_is_known_by_its_weights_alone(start, edit_manifest):
    import numpy as np
    from safetensors.numpy import save_file

    with start() as run:
        writer = run.writer("student")
        save_file({"w": np.arange(6, dtype=np.float32)}, writer.staging() / "model.safetensors")
        (writer.staging() / "config.json").write_text("{}")
        writer.commit()
        path = run.path
    edit_manifest(path, content_digest=weights_digest(path))
    assert [problem.file for problem in verify(path).problems] == ["manifest.json"]
    edit_manifest(path, schema_version=2)
    assert verify(path).ok
