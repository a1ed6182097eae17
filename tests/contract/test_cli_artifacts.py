"""`artifacts ls|show|verify|lineage` on real artifacts, in this process."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.read import input_entry, read_manifest
from rilctl.artifacts.runs import open_run
from rilctl.cli.app import run
from rilctl.schemas.manifest import ArtifactKind, InputEntry
from rilctl.schemas.records import ResponseRecord


def write(out: Path, verb: str, inputs: Sequence[InputEntry], role: str | None = None) -> Path:
    rows = [
        ResponseRecord(
            sample_id=f"q{i}",
            source="qwen",
            side="teacher",
            response_index=0,
            question="how many?",
            answer="3",
            image_digests=[],
            text=f"there are {i}",
            finish_reason="stop",
        )
        for i in range(3)
    ]
    kind: ArtifactKind = "responses" if role else "teacher-cache"
    with open_run(out, verb=verb, config={}, semantic={}, inputs=inputs, roles={role or kind: kind}) as opened:
        writer = opened.writer(kind, role)
        writer.write_rows(rows)
        writer.commit(metrics={"share": 0.5})
    return out


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    data = InputEntry(role="data", kind="data", name="digits", digest="d" * 64)
    return write(tmp_path / "runs" / "pocket" / "cache-teacher", "cache-teacher", [data])


@pytest.fixture
def several(cache: Path) -> Path:
    """A verb's directory that holds an artifact by role, made from `cache`."""
    return write(cache.parent / "pretrain-disc", "pretrain-disc", [input_entry("teacher-cache", cache)], "responses")


def call(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    return (code, *capfd.readouterr())


def damage(artifact: Path) -> str:
    shard = next(artifact.glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    return shard.name


def test_ls(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (cache.parent / "judge").mkdir()
    (cache.parent / "judge" / "run.json").write_text("{}")
    code, stdout, stderr = call(capfd, "artifacts", "ls", cache.parent.parent)
    assert code == 0
    assert [line.split()[0] for line in stdout.splitlines()] == ["teacher-cache", "used", "responses"]
    assert stdout.splitlines()[0].endswith(str(cache))
    assert stderr.startswith("warning: `") and "half-written" in stderr
    listed = json.loads(call(capfd, "artifacts", "ls", "--json", cache.parent.parent)[1])
    assert [artifact["path"] for artifact in listed["artifacts"]] == [str(cache), str(several / "responses")]
    assert [directory["path"] for directory in listed["unfinished"]] == [str(cache.parent / "judge")]


def test_ls_of_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "ls", tmp_path / "x")
    assert (code, stdout) == (5, "")
    assert stderr.startswith(f"error: `{tmp_path}/x` doesn't exist\nhint: ")


def test_show(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, _ = call(capfd, "artifacts", "show", cache, "--json")
    assert (code, json.loads(stdout)) == (0, read_manifest(cache).model_dump(mode="json"))
    assert json.loads(call(capfd, "artifacts", "show", several, "--json")[1]) == {
        "artifacts": {"responses": read_manifest(several / "responses").model_dump(mode="json")}
    }
    text = call(capfd, "artifacts", "show", cache)[1]
    assert text.startswith(f"teacher-cache {cache}\n")
    assert read_manifest(cache).content_digest in text


def test_a_folder_of_runs_is_shown_whole(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also artifacts that a verb made beside others, however deep."""
    folder = cache.parent.parent
    deeper = write(folder / "pocket" / "compare" / "ril" / "eval", "eval", [], "responses")
    made = ["pocket/cache-teacher", "pocket/compare/ril/eval/responses", "pocket/pretrain-disc/responses"]
    for verb in ("show", "lineage"):
        assert [*json.loads(call(capfd, "artifacts", verb, folder, "--json")[1])["artifacts"]] == made
    shown = call(capfd, "artifacts", "show", folder)[1].splitlines()
    assert [line.rpartition(" ")[2] for line in shown if line[0] != " "] == [f"{folder}/{name}" for name in made]
    code, stdout, stderr = call(capfd, "artifacts", "verify", deeper.parent.parent)
    assert (code, stdout) == (5, "") and stderr.endswith(f"hint: name one of them: `{deeper}`\n")


def test_verify_of_what_is_sound(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(capfd, "artifacts", "verify", cache) == (0, f"ok {cache}\n", "")
    report = json.loads(call(capfd, "artifacts", "verify", cache, "--json")[1])
    assert (report["ok"], report["problems"], report["num_rows"]) == (True, [], 3)
    report = json.loads(call(capfd, "artifacts", "verify", several, "--json")[1])
    assert (report["ok"], report["artifacts"]["responses"]["ok"]) == (True, True)


def test_verify_of_a_folder_of_runs_names_them(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache.parent)
    assert (code, stdout) == (5, "")
    assert stderr == f"error: `{cache.parent}` is a folder of runs\nhint: name one of them: `{cache}`\n"


def test_verify_of_a_changed_byte(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shard = damage(cache)
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache, "--json")
    report: dict[str, Any] = json.loads(stdout)
    assert (code, report["ok"], report["problems"][0]["file"]) == (5, False, shard)
    assert f"error: {cache}: `{shard}` has sha256" in stderr
    assert "hint: " in stderr
    damage(several / "responses")
    code, stdout, _ = call(capfd, "artifacts", "verify", several, "--json")
    assert (code, json.loads(stdout)["ok"]) == (5, False)


def test_verify_of_a_run_that_is_not_whole(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (several / "added_tokens.json").write_text("{}")
    (cache / "run.json").unlink()
    for path, problem in ((several, "added_tokens.json"), (cache, "run.json")):
        code, stdout, stderr = call(capfd, "artifacts", "verify", path, "--json")
        report = json.loads(stdout)
        assert (code, report["ok"], [p["file"] for p in report["problems"]]) == (5, False, [problem])
        assert f"error: {path}: `{problem}` is " in stderr and f"error: `{path}` is not as it was written" in stderr


def test_verify_of_an_edited_manifest(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = (cache / "manifest.json").read_text()
    (cache / "manifest.json").write_text(text.replace('"share": 0.5', '"share": 0.9'))
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache)
    assert (code, stdout) == (5, "") and "its digest is another" in stderr


def test_verify_of_what_a_kill_left(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (cache / "resume").mkdir()
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache)
    assert (code, stdout) == (0, f"ok {cache}\n")
    assert stderr == f"warning: {cache}: `resume` was left behind by a kill; the command that made it sweeps it\n"
    assert "`resume` was left in it" in call(capfd, "artifacts", "ls", cache)[2]


def test_verify_of_an_artifact_of_version_1(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    raw = json.loads((cache / "manifest.json").read_text())
    old = {key: value for key, value in raw.items() if key not in ("roles", "logs", "file_digest")}
    (cache / "manifest.json").write_text(json.dumps({**old, "schema_version": 1}))
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache)
    assert (code, stdout) == (0, f"ok {cache}\n") and "doesn't cover itself" in stderr


@pytest.mark.parametrize("manifest", ["{", "{}", '{"schema_version": 99}'])
def test_verify_of_a_broken_manifest(cache: Path, capfd: pytest.CaptureFixture[str], manifest: str) -> None:
    (cache / "manifest.json").write_text(manifest)
    code, stdout, stderr = call(capfd, "artifacts", "verify", cache, "--json")
    assert (code, json.loads(stdout)["ok"]) == (5, False)
    assert "manifest.json" in stderr


@pytest.mark.parametrize("command", ["show", "verify", "lineage"])
def test_what_is_no_artifact(tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        code, stdout, stderr = call(capfd, "artifacts", command, path, "--json")
        assert (code, stdout) == (5, "")
        assert stderr.startswith(f"error: `{path}` ")


def test_lineage_names_what_a_shared_ancestor_was_made_from_once(
    tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each of 12 artifacts is made from the two before it: 376 nodes as a tree."""
    made = [cache]
    for number in range(12):
        inputs = [input_entry(f"input-{index}", path) for index, path in enumerate(made[-2:])]
        made.append(write(tmp_path / f"made-{number}", "judge", inputs))
    code, stdout, _ = call(capfd, "artifacts", "lineage", made[-1])
    lines = stdout.splitlines()
    assert (code, len(lines)) == (0, 25)
    for path in made[:-1]:
        mentions = [line for line in lines if f"{path} (" in line]
        assert [line.endswith(", see above") for line in mentions] == [False, True][: len(mentions)]
    assert sum("data: digits" in line for line in lines) == 1


def test_lineage(cache: Path, several: Path, capfd: pytest.CaptureFixture[str]) -> None:
    digest = read_manifest(cache).content_digest[:12]
    own = read_manifest(several / "responses").content_digest[:12]
    assert call(capfd, "artifacts", "lineage", several)[:2] == (
        0,
        f"responses: {several}/responses ({own})\n"
        f"└── teacher-cache: {cache} ({digest})\n"
        "    └── data: digits (dddddddddddd)\n",
    )
    tree = json.loads(call(capfd, "artifacts", "lineage", several / "responses", "--json")[1])
    assert tree["children"][0]["children"][0]["name"] == "digits"
