"""Artifacts are read by the lines that docs/artifacts.md gives: with PyArrow, pandas, `datasets` and DuckDB."""

from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.schemas.records import ResponseRecord, RolloutRecord, Side

from . import blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "artifacts.md"
SAID = {
    "pyarrow": ["text 0", "text 7", "advantage"],
    "pandas": ["side", "student", "0.25", "teacher", "1.0"],
    "datasets": ["it is 5 ['text 0', 'text 2', 'text 3', 'text 6', 'text 7']"],
    "duckdb": ["student", "0.25", "teacher", "1.0"],
}


def rollout(number: int) -> RolloutRecord:
    side: Side = "teacher" if number % 4 >= 2 else "student"
    return RolloutRecord(
        step=6,
        sample_id=f"d{number // 4}",
        source=side,
        side=side,
        response_index=number % 4,
        question="how many?",
        answer="5",
        image_digests=["0" * 64],
        text=f"text {number}",
        token_ids=[1, 2],
        finish_reason="stop",
        rewards={"brief": 0.5},
        reward=1.0 if side == "teacher" or number == 0 else 0.0,
    )


def response() -> ResponseRecord:
    return ResponseRecord(
        sample_id="d0",
        source="qwen",
        side="teacher",
        response_index=0,
        question="how many?",
        answer="5",
        image_digests=["0" * 64],
        text="it is 5",
        finish_reason="stop",
    )


@pytest.mark.parametrize("library", SAID)
def test_the_pages_lines_read_an_artifact(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(library)
    import datasets

    out = tmp_path / "runs/recipe/train/rollouts"
    with open_run(out, verb="train", config={}, semantic={}, inputs=[], roles={"rollouts": "rollouts"}) as run:
        writer = run.writer("rollouts")
        writer.write_rows(map(rollout, range(4)))
        writer.write_rows(map(rollout, range(4, 8)))
        writer.commit()
    cache = tmp_path / "runs/recipe/cache-teacher"
    with open_run(
        cache, verb="cache-teacher", config={}, semantic={}, inputs=[], roles={"teacher-cache": "teacher-cache"}
    ) as run:
        writer = run.writer("teacher-cache")
        writer.write_rows([response()])
        writer.commit()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()
    names: dict[str, object] = {}
    for block in [each for each in blocks.blocks_of(PAGE) if each.language == "python"]:
        capsys.readouterr()
        if library == "duckdb" or "import duckdb" not in block.text:
            exec(compile(block.text, str(PAGE), "exec"), names)
        if f"import {library}" in block.text:
            break
    printed = capsys.readouterr().out
    assert all(word in printed for word in SAID[library]), printed
