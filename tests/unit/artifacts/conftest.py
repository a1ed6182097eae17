"""A small run to write into, and rows to write."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rilctl.artifacts.runs import Run, open_run
from rilctl.artifacts.sealed import seal
from rilctl.schemas.manifest import InputEntry
from rilctl.schemas.records import ResponseRecord

OpenRun = Callable[..., AbstractContextManager[Run]]
EditManifest = Callable[..., None]
MakeRows = Callable[[int], list[ResponseRecord]]


@pytest.fixture
def data_input() -> InputEntry:
    return InputEntry(role="data", kind="data", name="digits", digest="d" * 64)


@pytest.fixture
def start(tmp_path: Path, data_input: InputEntry) -> OpenRun:
    """Opens `tmp_path/"out"` as a `cache-teacher` run; every argument of `open_run` can be replaced."""

    @contextmanager
    def _start(out: Path = tmp_path / "out", **changes: Any) -> Iterator[Run]:
        semantic = {"cache-teacher": {"num_responses": 2, "sampling": {"temperature": 1.0}}}
        arguments = {
            "verb": "cache-teacher",
            "config": {**semantic, "workers": 1},
            "semantic": semantic,
            "inputs": [data_input],
            "roles": {"teacher-cache": "teacher-cache"},
        }
        with open_run(out, **{**arguments, **changes}) as run:
            yield run

    return _start


@pytest.fixture
def edit_manifest() -> EditManifest:
    """Changes keys of a manifest and gives it the digest of what it says now, as somebody who means to could."""

    def _edit_manifest(path: Path, **changes: Any) -> None:
        raw = json.loads((path / "manifest.json").read_text())
        raw = {**raw, **changes, "file_digest": ""}
        (path / "manifest.json").write_bytes(seal(json.dumps(raw, indent=2).encode()))

    return _edit_manifest


@pytest.fixture
def make_rows() -> MakeRows:
    def _make_rows(num: int) -> list[ResponseRecord]:
        return [
            ResponseRecord(
                sample_id=f"q{i}",
                source="qwen",
                side="teacher",
                response_index=i % 2,
                question="how many?",
                answer="3",
                image_digests=["a" * 64],
                text=f"there are {i}",
                token_ids=[1] * (i % 3) if i % 4 else None,
                finish_reason="stop",
            )
            for i in range(num)
        ]

    return _make_rows


@pytest.fixture
def written(start: OpenRun, make_rows: MakeRows) -> Path:
    """A complete `teacher-cache` of five rows and one rejected row."""
    from rilctl.schemas.records import RejectedRecord

    with start() as run:
        writer = run.writer("teacher-cache")
        writer.write_rows(make_rows(5))
        writer.write_rejected([RejectedRecord(sample_id="bad", source="qwen", reason="image-truncated", message="cut")])
        writer.commit(metrics={"seconds_per_row": 0.5})
        return run.path
