"""Every shipped layout, every process of it: servers, ranks, all verbs, a stop on the way, the same commands again."""

import signal
import time
from pathlib import Path

import pytest

from rilctl.config.recipe import VERBS

from .conftest import PATIENCE_S, left_over, outlived, rehearse, started

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


def test_a_verb_that_fails_is_shown_and_nothing_stays(tmp_path: Path) -> None:
    process = started(tmp_path, "closed-teacher", "--set", "sft.lora.targets=['nothing']")
    said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 1, said
    assert "`rilctl sft closed-teacher.toml` failed (exit code" in said and "nothing" in said
    assert "rehearsal/logs/sft.log" in said
    assert not outlived(tmp_path)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_every_process_ends_with_the_command(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with started(tmp_path, "closed-teacher") as process:
        assert process.stderr is not None
        assert any("rilctl sft closed-teacher.toml" in line for line in process.stderr)
        assert len(left_over(tmp_path)) > 1, "a server and a verb"
        process.send_signal(number)
        assert process.wait(120) == code
    deadline = time.monotonic() + (60 if number == signal.SIGKILL else 0)  # they end by themselves
    while left_over(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)
