"""Verbs make of an indexed data set what they make of one that is read, to the last bit, also where they go on."""

from pathlib import Path
from typing import Any

import pytest

from rilctl import api
from rilctl.artifacts.read import read_manifest
from rilctl.config.recipe import Verb
from rilctl.data import index
from rilctl.data.once import stamps
from rilctl.errors import InterruptedByUser
from rilctl.stages.shared.plans import questions
from rilctl.testing.stages import StopsAfter, run_stage
from rilctl.testing.workspaces import write_workspace

FEW = ('cache-teacher.teachers=["qwen"]', "train.num_steps=2", "sft.engine.num_workers=1")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write_workspace(tmp_path, num_questions=12)
    return tmp_path


def made(workspace: Path, verb: Verb, name: str) -> tuple[str, str]:
    """What a verb's output is known by, and its log."""
    out = workspace / name
    outputs = run_stage(workspace, verb, *FEW, out=out).outputs
    digests = [read_manifest(Path(summary.path)).content_digest for summary in outputs.values()]
    log = out / "metrics.jsonl"
    return " ".join(map(str, digests)), log.read_text() if log.exists() else ""


def use_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index whatever is read, however small and young."""
    monkeypatch.setattr(index, "LEAST_BYTES", 1)
    monkeypatch.setattr(stamps, "YOUNG_NS", -(10**12))


@pytest.mark.parametrize("verb", ["sft", "train"])
def test_the_index_changes_nothing(workspace: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    if verb == "train":
        for before in ("cache-teacher", "sft", "pretrain-disc"):
            run_stage(workspace, before, *FEW)  # type: ignore[arg-type]
    plain = made(workspace, verb, "plain")
    use_index(monkeypatch)
    first, later = made(workspace, verb, "first"), made(workspace, verb, "later")
    assert plain == first == later
    assert len(list((workspace / "runs/.cache/data").glob("*/index.json"))) == 1


def test_a_run_goes_on_from_the_index(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = made(workspace, "sft", "plain")
    reporter = StopsAfter(3)
    with pytest.raises(InterruptedByUser):
        run_stage(workspace, "sft", *FEW, out=workspace / "out", reporter=reporter, stop=reporter.stop)
    use_index(monkeypatch)
    assert made(workspace, "sft", "out") == plain


def test_a_plan_counts_what_the_index_has(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan() -> dict[str, Any]:
        recipe = api.load_recipe(workspace / "recipe.toml", base_dir=workspace)
        found: dict[str, Any] = api.plan_stage(recipe, "sft")["plan"]
        return found

    use_index(monkeypatch)
    before = plan()
    assert not (workspace / "runs").exists()
    run_stage(workspace, "sft", *FEW)
    monkeypatch.setattr(questions, "MOST_ROWS", 3)
    after = plan()
    assert after["work"]["rows"] == before["work"]["rows"]
    assert (after["data"]["questions"], after["data"]["held_out"]) == (
        before["data"]["questions"],
        before["data"]["held_out"],
    )
    assert after["data"]["rows_read"] == 3
