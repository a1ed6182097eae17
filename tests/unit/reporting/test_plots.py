import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from rilctl.errors import ArtifactError
from rilctl.reporting.metrics import MetricsLog, MetricsRow
from rilctl.reporting.plots import plot_accuracy, plot_training, running_mean
from rilctl.testing.compared import compared_arm

ORANGE, BLUE, GREEN = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73)


def _run(num_steps: int, level: float, *, similarity: bool) -> list[MetricsRow]:
    rows: list[MetricsRow] = []
    for step in range(1, num_steps + 1):
        row: MetricsRow = {"step": step, "reward/answer_student": level}
        if similarity:
            row["reward/similarity_student"] = 0.5
        if step % 5 == 0:
            row |= {"validation/accuracy": level, "validation/low": level - 0.1, "validation/high": level + 0.1}
        rows.append(row)
    return rows


def _num_pixels(picture: Image.Image, colour: tuple[int, int, int], columns: tuple[float, float]) -> int:
    """Pixels of exactly this colour between two shares of the width, above the legend."""
    width, height = picture.size
    part = picture.convert("RGB").crop((int(width * columns[0]), 0, int(width * columns[1]), int(height * 0.8)))
    return sum(num for num, found in part.getcolors(1 << 24) or [] if found == colour)


def test_each_run_is_in_the_panels_that_it_has_metrics_for(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for row in _run(20, 0.3, similarity=False):
        log.write(int(row["step"]), {name: value for name, value in row.items() if name != "step"})
    out = tmp_path / "new folder" / "training.png"
    plot_training({"dr-grpo": tmp_path / "metrics.jsonl", "ril": _run(20, 0.6, similarity=True)}, out)
    with Image.open(out) as picture:
        thirds = [(0.0, 0.33), (0.34, 0.66), (0.67, 1.0)]
        assert all(_num_pixels(picture, ORANGE, third) > 100 for third in thirds)
        assert [_num_pixels(picture, BLUE, third) > 100 for third in thirds] == [False, True, True]


def test_a_reward_of_the_recipe_s_own_has_a_panel_in_its_own_units(tmp_path: Path) -> None:
    run = [
        row | {"reward/length_student": -3.0, "reward/advantage_student": 0.1} for row in _run(20, 0.6, similarity=True)
    ]
    plot_training({"ril": run}, tmp_path / "training.png")
    with Image.open(tmp_path / "training.png") as picture:
        quarters = [(0.0, 0.24), (0.26, 0.49), (0.51, 0.74), (0.76, 1.0)]
        assert all(_num_pixels(picture, ORANGE, quarter) > 100 for quarter in quarters)


def test_a_damaged_log_draws_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("no metrics\n")
    with pytest.raises(ArtifactError):
        plot_training({"ril": tmp_path / "metrics.jsonl"}, tmp_path / "training.png")
    assert not (tmp_path / "training.png").exists()


def test_accuracies_are_drawn_in_their_colours(tmp_path: Path) -> None:
    arms = [compared_arm(name, at) for name, at in {"ril": 0.7, "sft-teachers": 0.2, "something-else": 0.5}.items()]
    plot_accuracy(arms, 1000, tmp_path / "accuracy.png")
    with Image.open(tmp_path / "accuracy.png") as picture:
        assert _num_pixels(picture, ORANGE, (0.5, 1.0)) > 50
        assert _num_pixels(picture, ORANGE, (0.0, 0.5)) == 0
        assert _num_pixels(picture, GREEN, (0.0, 0.5)) > 50


def test_seeds_are_dots_beside_the_mean(tmp_path: Path) -> None:
    arm = compared_arm("ril", 0.5, 0.01)
    seeds = [arm.seeds[0].model_copy(update={"accuracy": at}) for at in (0.1, 0.9)]
    plot_accuracy([arm.model_copy(update={"seeds": seeds}), compared_arm("base", 0.9)], 1000, tmp_path / "accuracy.png")
    with Image.open(tmp_path / "accuracy.png") as picture:
        for part in ((0.15, 0.4), (0.7, 1.0)):
            assert _num_pixels(picture, ORANGE, part) > 5


def test_running_mean_uses_fewer_neighbours_at_the_ends() -> None:
    assert running_mean([0.0, 3.0, 6.0, 0.0], 1) == [1.5, 3.0, 3.0, 3.0]
    assert running_mean([1.0, 2.0], 0) == [1.0, 2.0]
    assert running_mean([], 3) == []


def test_matplotlib_waits_until_a_picture_is_drawn() -> None:
    code = "import sys, rilctl.reporting.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
