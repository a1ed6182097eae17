"""Every shipped layout, every process of it: servers, ranks, all verbs, a stop on the way, the same commands again."""

from pathlib import Path

import pytest

from rilctl.config.recipe import VERBS

from .conftest import rehearse

RANKS = {"paper-qwen7b": 6, "internvl3-8b-multinode": 3, "qwen3b-lora-1gpu": 1, "closed-teacher": 1}


@pytest.mark.parametrize("layout", RANKS)
def test_a_shipped_layout_runs_small_on_this_machine(layout: str, tmp_path: Path) -> None:
    num = RANKS[layout]
    report = rehearse(tmp_path, layout, *(("--gpus", str(num)) if num > 1 else ()))
    assert [row["verb"] for row in report["verbs"]] == list(VERBS)
    assert {row["again"] for row in report["verbs"]} == {"up to date"}
    trained = {row["verb"]: row["processes"] for row in report["verbs"]}
    assert {trained[verb] for verb in ("sft", "pretrain-disc", "train")} == {num}
    proven = "\n".join(report["proven"])
    assert "train: stopped by SIGTERM after step" in proven
    if "7b" in layout or "8b" in layout:
        assert "sampler: vLLM's own server" in proven and "weight updates reached the sampler" in proven
    assert report["replaced"] and report["not_proven"]
