"""What a reader checks before it uses an artifact."""

import os

import pytest

from rilctl.artifacts.check import check_files, check_log
from rilctl.artifacts.read import read_rejected, read_rows
from rilctl.errors import ArtifactError
from rilctl.schemas.records import ResponseRecord

READERS = {
    "files": check_files,
    "rows": lambda path: list(read_rows(path, ResponseRecord)),
    "rejected": read_rejected,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json", "rows-00001-of-00002.parquet", "a/b"])
def test_a_file_that_is_not_listed_is_refused(written, reader, name):
    (written / name).parent.mkdir(exist_ok=True)
    (written / name).write_text("{}")
    with pytest.raises(ArtifactError, match=rf"{name}` is not in the manifest") as caught:
        READERS[reader](written)
    assert caught.value.hint == "move it away, if it is yours"


@pytest.mark.parametrize("reader", READERS)
def test_what_is_the_runs_is_no_stranger(written, reader):
    (written / "resume").mkdir()
    for name in (".lock.json", "resume/state", ".tmp-manifest.json.part"):
        (written / name).write_text("{}")
    READERS[reader](written)


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "resume/state"])
def test_beside_other_roles_it_is(start, make_rows, name):
    with start(roles={"responses": "responses", "discriminator": "discriminator"}) as run:
        writer = run.writer("responses", "responses")
        writer.write_rows(make_rows(2))
        writer.commit()
    (run.path / "responses" / name).parent.mkdir(exist_ok=True)
    (run.path / "responses" / name).write_text("{}")
    with pytest.raises(ArtifactError, match="not in the manifest"):
        check_files(run.path / "responses")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("reader", ["files", "rows"])
def test_nobody_waits_for_a_pipe_in_the_place_of_a_file(written, reader):
    shard = next(written.glob("rows-*"))
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(ArtifactError, match=f"{shard.name}.+no regular file"):
        READERS[reader](written)


def test_the_log_of_a_finished_run_is_covered(start):
    with start(roles={"report": "report"}) as run:
        log = run.path / "metrics.jsonl"
        log.write_text('{"step": 1}\n')
        check_log(log)
        (run.writer("report", "report").staging() / "index.html").write_text("<p>")
        log.write_text('{"step": 1}\n{"step": 2}\n')
        run.writer("report", "report").commit()
    check_log(log)
    log.write_text('{"step": 1}\n')
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl` was changed"):
        check_log(log)
