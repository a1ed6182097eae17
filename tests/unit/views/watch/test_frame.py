"""What a terminal is shown, in any size."""

import io
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from rilctl.artifacts.runs import open_run
from rilctl.reporting.metrics import MetricsLog
from rilctl.schemas.records import RolloutRecord
from rilctl.testing.records import rollout_row
from rilctl.views.watch.curves import curves_of
from rilctl.views.watch.frame import Terminal, frame
from rilctl.views.watch.look import Look, Watched
from rilctl.views.watch.words import step_line

ROLES = {"student": "student", "rollouts": "rollouts"}


def rollout(step: int, question: str, reward: float | None, *, side: str = "student", text: str = "3") -> RolloutRecord:
    return rollout_row(step, question, source=side, side=side, text=text, answer_reward=reward, reward=reward)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A training of three of ten steps, interrupted."""
    config = {"train": {"num_steps": 10}}
    with open_run(tmp_path / "train", verb="train", config=config, semantic={}, inputs=[], roles=ROLES) as opened:
        log = MetricsLog(opened.path)
        for step in (1, 2, 3):
            metrics = {"reward/answer_student": step / 4, "policy/entropy": 1.0, "validation/low": 0.1, "odd/one": 1.0}
            log.write(step, metrics, {"rollouts_s": 1.5, "policy_update_s": 0.5})
        rows = [rollout(2, "old", 1.0), rollout(3, "dull", 1.0), rollout(3, "dull", 1.0), rollout(3, "telling", 0.0)]
        rows += [
            rollout(3, "telling", 1.0, text="thr\x1b[31mee\nand more"),
            rollout(3, "telling", None, side="teacher"),
        ]
        (opened.resume_dir / "rollouts.jsonl").write_text("".join(f"{row.model_dump_json()}\n" for row in rows))
    return tmp_path / "train"


def drawn(look: Look, width: int, height: int, **options: object) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(frame(look, Terminal(width, height, **options)).layout, height=height)
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(20, 5), (80, 24), (120, 40), (200, 60)])
def test_it_is_as_large_as_the_terminal(run, width, height):
    lines = drawn(Watched(run).look(), width, height)
    assert len(lines) == height
    assert all(len(line) <= width for line in lines)
    assert lines[1].lstrip("━ ").startswith("step 3 of")


def test_what_it_says(run):
    text = "\n".join(drawn(Watched(run).look(), 120, 40))
    for part in (
        "train  stopped  nobody writes to it",
        "step 3 of 10, 2 s each, 6 s in all",
        "rollouts 75 %  policy update 25 %",
        "reward/answer_student  0.75",
        "step 3, question telling",
        "truth: 3",
        "no verdict 3",
        "1 right  thr\\x1b[31mee\\nand more",
    ):
        assert part in text, part
    wide = "\n".join(drawn(Watched(run).look(), 200, 60))
    assert wide.index("question telling") < wide.index("question dull")
    assert "question old" not in text and "odd/one" not in text and "validation/low" not in text


def test_a_terminal_without_braille(run):
    text = "\n".join(drawn(Watched(run).look(), 80, 24, braille=False))
    assert "*" in text and not any(0x2800 <= ord(character) < 0x2900 for character in text)


def test_only_what_is_new_is_read_and_a_run_that_went_back_is_read_anew(run):
    watched = Watched(run)
    assert watched.look().progress.step == 3
    log = MetricsLog(run)
    log.write(4, {"reward/answer_student": 1.0}, {"rollouts_s": 2.0})
    look = watched.look()
    assert (look.progress.step, look.metrics["reward/answer_student"][-1]) == (4, (4, 1.0))
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(lines[:2]))  # resumed from a checkpoint
    look = watched.look()
    assert (look.progress.step, len(look.metrics["reward/answer_student"])) == (2, 2)


def test_a_step_in_a_line(run):
    look = Watched(run).look()
    assert step_line(look, 2) == "step 2 of 10, 2 s each, 6 s in all, reward/answer_student 0.5"


def test_the_most_telling_curves_come_first():
    names = ["policy/entropy", "validation/accuracy", "validation/low", "disc/auc", "odd"]
    series = {name: [(1, 1.0)] for name in names}
    assert curves_of("train", series) == ["validation/accuracy", "disc/auc", "policy/entropy"]
    assert curves_of("sft", {"sft/loss": [(1, 1.0)], "sft/lr": [(1, 1.0)]}) == ["sft/loss", "sft/lr"]
    assert curves_of("", {}) == []


def test_a_picture_stands_left_of_its_question(run):
    look = Watched(run).look()
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        console.print(frame(look, Terminal(80, 24), picture=Image.new("RGB", (40, 40), (255, 0, 0))).layout, height=24)
    assert "\x1b[38;2;255;0;0;48;2;255;0;0m▀" in captured.get()
