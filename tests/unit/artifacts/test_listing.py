"""What `artifacts ls` sees."""

from rilctl.artifacts.listing import list_artifacts, list_unfinished


def test_artifacts_roles_and_unfinished_runs(start, tmp_path, make_rows):
    root = tmp_path / "runs"
    with start(root / "pocket" / "cache-teacher") as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(4))
        writer.commit()
    with start(root / "pocket" / "pretrain-disc") as run:
        run.writer("responses", "responses").commit()
        run.writer("verdicts", "other").write_rejected([])
        (run.resume_dir / "manifest.json").write_text("{}")
    with start(root / "pocket" / "judge"):
        pass
    with start(root / "pocket" / "eval") as run:
        (run.path / "manifest.json").write_text("{")
    (root / ".cache").mkdir()
    (root / ".cache" / "manifest.json").write_text("{}")

    found = list_artifacts(root)
    assert [(a.path, a.kind, a.rows) for a in found] == [
        (str(root / "pocket" / "cache-teacher"), "teacher-cache", 4),
        (str(root / "pocket" / "pretrain-disc" / "responses"), "responses", 0),
    ]
    assert found[0].size_bytes == sum(f.stat().st_size for f in (root / "pocket" / "cache-teacher").glob("rows*"))
    unfinished = {u.path.rsplit("/", 1)[1]: u.reason for u in list_unfinished(root)}
    assert unfinished.keys() == {"judge", "eval", "pretrain-disc"}
    assert "half-written" in unfinished["judge"]
    assert "half-written" in unfinished["pretrain-disc"]  # one of its roles is there, and it was not finished
    assert "no valid JSON" in unfinished["eval"]


def test_an_artifact_lists_itself_and_nothing_lists_nothing(written, tmp_path):
    assert [a.path for a in list_artifacts(written)] == [str(written)]
    assert list_artifacts(tmp_path / "nowhere") == list_unfinished(tmp_path / "nowhere") == []
