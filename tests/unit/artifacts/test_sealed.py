"""A manifest and a run file cover themselves: no byte of either changes unnoticed."""

import json
import os

import pytest

from rilctl.artifacts.manifests import read_manifest
from rilctl.artifacts.runs import read_run
from rilctl.artifacts.verify import verify
from rilctl.errors import ArtifactError


def every_flip(data: bytes):
    """Each byte with one of its bits changed; which bit goes round."""
    for position in range(len(data)):
        yield data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :]


def test_no_byte_of_a_manifest_changes_unnoticed(written):
    file = written / "manifest.json"
    for changed in every_flip(file.read_bytes()):
        file.write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"manifest\.json"):
            read_manifest(written)


def test_no_byte_of_a_run_file_changes_unnoticed(start, written):
    file = written / "run.json"
    for changed in every_flip(file.read_bytes()):
        file.write_bytes(changed)
        with pytest.raises(ArtifactError, match=r"run\.json"):
            read_run(written)
        with pytest.raises(ArtifactError, match=r"run\.json"):
            start().__enter__()


def test_an_edited_metric_is_refused_by_every_reader(written):
    file = written / "manifest.json"
    file.write_text(file.read_text().replace('"seconds_per_row": 0.5', '"seconds_per_row": 0.9'))
    for read in (read_manifest, verify):
        with pytest.raises(ArtifactError, match="was changed since it was written"):
            read(written)


@pytest.mark.parametrize("end", [b" ", b"\n", b"{}"])
def test_so_are_bytes_that_say_nothing(written, end):
    with (written / "manifest.json").open("ab") as file:
        file.write(end)
    with pytest.raises(ArtifactError):
        read_manifest(written)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema_version": 2}', '{"schema_version": 0}', "null", "NaN"])
def test_what_is_no_manifest_at_all(written, text):
    (written / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_manifest(written)


def as_version_1(written):
    """What was written before manifests covered themselves."""
    raw = json.loads((written / "manifest.json").read_text())
    old = {key: value for key, value in raw.items() if key not in ("roles", "logs", "file_digest")}
    return {**old, "schema_version": 1}


def test_a_manifest_of_version_1_is_read_and_verify_says_that_nothing_covers_it(written):
    (written / "manifest.json").write_text(json.dumps(as_version_1(written)))
    report = verify(written)
    assert (report.ok, report.covers_itself) == (True, False)


def test_a_run_of_version_1_goes_on(start, written):
    raw = json.loads((written / "run.json").read_text())
    del raw["file_digest"]
    (written / "run.json").write_text(json.dumps({**raw, "schema_version": 1}))
    (written / "manifest.json").write_text(json.dumps(as_version_1(written)))
    with start() as run:
        assert run.finished() is not None


@pytest.mark.parametrize("key", ["roles", "logs", "file_digest"])
def test_a_newer_manifest_does_not_pass_for_one_of_version_1(written, key):
    raw = json.loads((written / "manifest.json").read_text())
    (written / "manifest.json").write_text(json.dumps({**as_version_1(written), key: raw[key]}))
    with pytest.raises(ArtifactError, match=f"schema version 1, which has no `{key}`"):
        read_manifest(written)


@pytest.mark.timeout(120)
def test_nobody_waits_for_a_pipe_in_the_place_of_a_manifest(written):
    (written / "manifest.json").unlink()
    os.mkfifo(written / "manifest.json")
    with pytest.raises(ArtifactError, match="no regular file"):
        read_manifest(written)
