"""Good models and artifacts of every kind, for somebody to do mischief to."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilctl.artifacts.digests import files_digest, sha256_file
from rilctl.artifacts.layout import content_files
from rilctl.artifacts.model_files import model_files_digest
from rilctl.artifacts.runs import open_run
from rilctl.artifacts.sealed import seal
from rilctl.errors import ArtifactError
from rilctl.schemas.manifest import WEIGHT_KINDS, ArtifactKind, InputEntry
from rilctl.schemas.records import RejectedRecord, VerdictRecord
from rilctl.testing.records import teacher_response
from rilctl.testing.small_vlms import build_small_vlm

INPUT = InputEntry(role="data", kind="data", name="digits", digest="d" * 64)
CARD = {"input": "response", "loss": "bce", "base_digest": "0" * 64}


@dataclass(frozen=True)
class World:
    """A folder of one's own.

    Args:
        root: has `model`, a plain directory; and below `runs` one artifact of each kind, and `good`, which stays so.
    """

    root: Path

    @property
    def model(self) -> Path:
        """A plain model directory."""
        return self.root / "model"

    def artifact(self, kind: str) -> Path:
        """The artifact of a kind."""
        return self.root / "runs" / kind

    def edit(self, file: Path, change: Callable[[Any], object]) -> None:
        """Change what a JSON file says; a manifest or run file is sealed again, as who means to can."""
        content = json.loads(file.read_text())
        change(content)
        sealed = "file_digest" in content
        text = json.dumps({**content, "file_digest": ""} if sealed else content, indent=2).encode()
        file.write_bytes(seal(text) if sealed else text)

    def reseal(self, kind: str) -> None:
        """Make the manifest say what stands in the directory, as far as that can be read."""
        path = self.artifact(kind)
        files = [
            {"path": name, "size_bytes": file.stat().st_size, "sha256": sha256_file(file)}
            for name, file in content_files(path)
            if file.is_file() and file.stat().st_size < 1 << 30
        ]

        def change(manifest: dict[str, Any]) -> None:
            manifest["files"] = files
            try:
                if kind in WEIGHT_KINDS:
                    manifest["content_digest"] = model_files_digest(path)
                elif kind in ("report", "evaluation"):
                    manifest["content_digest"] = files_digest({each["path"]: each["sha256"] for each in files})
            except (ArtifactError, OverflowError):
                pass  # then it keeps the one that it had

        self.edit(path / "manifest.json", change)


def make_world(root: Path) -> World:
    """Build it; takes a second."""
    world = World(root)
    build_small_vlm(world.model)
    for kind, write in (
        ("student", _student),
        ("discriminator", _discriminator),
        ("teacher-cache", write_responses),
        ("responses", write_responses),
        ("verdicts", _verdicts),
        ("report", _report),
        ("good", write_responses),
    ):
        named: ArtifactKind = "responses" if kind == "good" else kind  # type: ignore[assignment]
        out = world.artifact(kind)
        out.parent.mkdir(exist_ok=True)
        with open_run(out, verb="made", config={}, semantic={}, inputs=[INPUT], roles={named: named}) as run:
            writer = run.writer(named)
            write(world, writer)
            writer.commit(metrics={"loss": 0.5})
    return world


def copy_world(world: World, root: Path) -> World:
    """The same for one who may spoil it."""
    shutil.copytree(world.root, root)
    return World(root)


def _student(world: World, writer: Any) -> None:
    shutil.copytree(world.model, writer.staging(), dirs_exist_ok=True)


def _discriminator(world: World, writer: Any) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    _student(world, writer)
    (writer.staging() / "discriminator.json").write_text(json.dumps(CARD))
    save_file({"weight": np.zeros((1, 8), np.float32)}, writer.staging() / "head.safetensors")


def write_responses(world: World, writer: Any) -> None:
    writer.write_rows(teacher_response(number) for number in range(5))
    writer.write_rejected([RejectedRecord(sample_id="bad", source="qwen", reason="none", message="no")])


def _verdicts(world: World, writer: Any) -> None:
    writer.write_rows(
        VerdictRecord(
            response_digest="0" * 64,
            sample_id=f"q{number}",
            source="qwen",
            response_index=0,
            correct=True,
            reason="exact",
        )
        for number in range(5)
    )


def _report(world: World, writer: Any) -> None:
    (writer.staging() / "index.html").write_text("<html></html>")
