"""A report says what stands on disk, whatever state the runs are in."""

import shutil
from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.config.load import load_recipe
from rilctl.errors import ArtifactError
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.report import Report
from rilctl.testing.compared import compared_arm, comparison_report
from rilctl.views.report.build import Asked, build_report
from rilctl.views.report.charts import with_small_ones_together
from rilctl.views.report.render import render
from rilctl.views.report.rollouts import MOST_GROUPS

from . import worlds


def build(*paths: Path, pictures_bytes: int = 1_000_000) -> Report:
    return build_report(Asked(paths, "rilctl report", pictures_bytes), SilentReporter())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests that change something have a copy."""
    folder = tmp_path_factory.mktemp("world") / "pocket"
    run = worlds.write_training(folder / "train")
    worlds.write_evaluation(folder / "base" / "eval", worlds.BASE, {0, 1, 2})
    worlds.write_evaluation(folder / "eval", worlds.student_of(run), {3})
    return folder


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "pocket"))


@pytest.fixture(scope="module")
def report(made: Path) -> Report:
    return build(made / "train")


def test_a_finished_run_with_evaluations_beside_it(report: Report) -> None:
    (run,) = report.runs
    assert (run.name, run.verb, run.state, run.steps_done, run.steps_planned) == (
        "pocket/train",
        "train",
        "finished",
        6,
        6,
    )
    assert (run.seconds, run.num_parameters) == (3.0, 12)
    assert {"processor", "memory"} <= run.hardware.keys() and "torch" in run.versions
    by_source = {each.source: each for each in report.accuracies}
    validated, evaluated = by_source["validation"], by_source["evaluation"]
    assert validated.before is not None and validated.after is not None
    assert (validated.before.value, validated.after.value, validated.best_step) == (0.6, 0.2, 0)
    assert evaluated.before is not None and evaluated.after is not None
    assert (evaluated.before.value, evaluated.after.value, evaluated.after.low) == (0.75, 0.25, 0.2)
    (flips,) = report.flips
    assert (flips.basis, flips.num_questions, flips.num_gained, flips.num_lost) == ("evaluation", 4, 1, 3)
    assert flips.p == 0.625  # 2 (1 + 4) / 16
    assert [flip.way for flip in flips.shown] == ["lost", "lost", "lost", "gained"]
    assert (flips.shown[0].before.text, flips.shown[0].after.is_right) == ("1.0", False)
    assert [(each.name, [bar.score.value for bar in each.bars]) for each in report.benchmarks] == [
        ("Digits", [75.0, 25.0])
    ]
    assert [(point.name, point.num_parameters) for point in report.sizes] == [("base/eval", 12), ("pocket/eval", 12)]
    assert report.findings[0].target == "sign:accuracy-falls"
    said = next(finding for finding in report.findings if finding.target == "flips")
    assert said.mood == "neutral" and "75.0 %" in said.text and "may be chance (p = 0.62)" in said.text
    assert report.notes == []


def test_the_pictures_of_rollouts_and_flips_are_found_by_their_digests(report: Report, made: Path) -> None:
    wanted = {digest for each in report.flips for flip in each.shown for digest in flip.image_digests}
    assert report.rollouts is not None
    wanted |= {digest for group in report.rollouts.groups for digest in group.image_digests}
    assert report.pictures.by_digest.keys() == wanted and report.pictures.num_missing == 0
    picture = next(iter(report.pictures.by_digest.values()))
    assert (picture.full_width_px, picture.width_px) == (56, 56)
    small = build(made / "train", pictures_bytes=3_000)
    assert sum(len(each.data_uri) for each in small.pictures.by_digest.values()) <= 3_000
    assert small.pictures.num_missing == len(wanted) - len(small.pictures.by_digest) > 0
    assert "budget" in small.pictures.note


def test_rollouts_carry_all_that_their_reward_was_made_of(report: Report) -> None:
    rollouts = report.rollouts
    assert rollouts is not None
    assert (rollouts.num_groups, rollouts.num_rows, len(rollouts.groups)) == (12, 36, 12)
    first = rollouts.groups[0]
    assert (first.step, first.why, [row.side for row in first.rows]) == (
        1,
        "best step",
        ["student", "student", "teacher"],
    )
    wrong = next(row for group in rollouts.groups for row in group.rows if row.verdict == "wrong")
    assert wrong.rewards == {"similarity": 1.0, "answer": 0.0}
    assert "teacherlike-but-wrong" in wrong.tags and "teacherlike-but-wrong" in rollouts.tags
    assert sum(bar.num_rows for bar in rollouts.histogram) == 36


def test_a_crashed_run_has_its_rollouts_so_far_and_flips_between_visits(tmp_path: Path) -> None:
    run = worlds.write_training(tmp_path / "pocket" / "train", finished=False)
    report = build(run)
    assert report.runs[0].state == "stopped" and "processor" in report.runs[0].hardware
    assert "stopped at step 6 of 6" in " ".join(finding.text for finding in report.findings)
    assert report.rollouts is not None and report.rollouts.num_rows == 36
    (flips,) = report.flips
    assert (flips.basis, flips.num_questions, flips.num_gained, flips.num_lost) == ("rollouts", 4, 1, 1)
    assert "step 1: 0 of 2 judged right" in [flip.before.verdict for flip in flips.shown]
    assert {flip.before.step for flip in flips.shown} <= {1, 2} and "first asked" in flips.before
    assert report.lineage.boxes[0].label == "train" and report.lineage.arrows


def test_several_runs_are_overlaid_and_share_what_may_be_shown(tmp_path: Path) -> None:
    runs = [worlds.write_training(tmp_path / name / "train") for name in ("a", "b")]
    report = build(*runs)
    accuracy = next(chart for chart in report.charts if chart.name == "accuracy")
    assert [line.run for line in accuracy.lines] == ["a/train", "b/train"]
    assert report.about[0] == "2 trainings of pocket-student on 6 questions of digits, with ril."
    assert [sentence.partition(":")[0] for sentence in report.about[1:]] == ["a/train", "b/train"]
    first, last = accuracy.lines[0].band
    assert first == (0, pytest.approx(0.55), pytest.approx(0.65)) and last[0] == 6
    assert {chart.name for chart in report.charts} >= {"reward-wordy", "phases-1", "phases-2", "entropy"}
    assert report.rollouts is not None and len(report.rollouts.groups) <= MOST_GROUPS


def test_pictures_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    data = {"type": "jsonl", "path": "gone.jsonl", "columns": {"images": "image"}}
    report = build(worlds.write_training(tmp_path / "train", config=worlds.RECIPE | {"data": data}))
    assert report.pictures.num_missing == 4 and "can't be found any more" in report.pictures.note
    assert any("gone.jsonl" in note for note in report.notes)


def test_one_bad_artifact_hides_no_other(world: Path) -> None:
    (world / "train" / "student" / "manifest.json").write_text("{")
    report = build(world)
    assert any("student" in note for note in report.notes)
    assert report.rollouts is not None and len(report.runs) == 3


def test_a_comparison_shows_its_arms(world: Path) -> None:
    found = comparison_report(compared_arm("ril", 0.75), report="comparison.md")
    (world / "comparison.json").write_text(found.model_dump_json())
    (world / "base" / "comparison.json").write_text("{}")
    report = build(world)
    assert [each.arms[0].name for each in report.comparisons] == ["ril"]
    assert any("base/comparison.json" in note for note in report.notes)


def test_the_recipe_stands_beside_its_defaults(report: Report) -> None:
    (recipe,) = report.recipes
    keys = {key.key: key for key in recipe.keys}
    changed = {name for name, key in keys.items() if key.is_changed}
    assert {"train.num_steps", "train.questions_per_step", "train.optim.lr", "data.num_questions"} <= changed
    assert (keys["train.optim.lr"].value, keys["train.optim.lr"].default) == ("0.0001", "1e-06")
    assert not keys["train.algorithm.kl_beta"].is_changed
    assert keys["data.type"].default is None and not keys["data.type"].is_changed


def test_what_verbs_fill_in_is_no_change_of_the_recipe(tmp_path: Path) -> None:
    said = load_recipe((), ["teachers.big.model=qwen72b", "eval.limit=7", "pretrain-disc.optim.lr=1e-3"], {})
    config = said.model_dump(mode="json", by_alias=True) | {"train": worlds.RECIPE["train"]}
    config["teachers"]["big"]["dtype"] = "bfloat16"  # as `cache-teacher` writes it
    for verb, changed in (
        ("cache-teacher", {"teachers.big.dtype": False}),
        ("eval", {"eval.limit": True, "eval.engine.rows_per_batch": False}),
        ("pretrain-disc", {"pretrain-disc.optim.lr": True, "pretrain-disc.optim.lr_end": False}),
    ):
        out = tmp_path / verb
        with open_run(out, verb=verb, config=config, semantic={}, inputs=[], roles={"student": "student"}):
            (recipe,) = build(out).recipes
        assert {key.key: key.is_changed for key in recipe.keys if key.key in changed} == changed


def test_what_a_run_adds_to_its_recipe_takes_no_default_from_the_rest(tmp_path: Path) -> None:
    config = worlds.RECIPE | {"scored_with": {"engine": "hf"}}
    (recipe,) = build(worlds.write_training(tmp_path / "train", config=config)).recipes
    keys = {key.key: key for key in recipe.keys}
    assert keys["train.optim.lr"].default == "1e-06" and not keys["train.algorithm.kl_beta"].is_changed
    assert (keys["scored_with.engine"].default, keys["scored_with.engine"].is_changed) == (None, False)


def test_what_was_run_and_what_its_figures_count_are_said(report: Report) -> None:
    (about,) = report.about
    assert about.startswith("pocket-student trained on 6 questions of digits with ril for 6 steps in 3 s")
    (figures,) = report.figures
    assert "20.0 % of 4 held-out questions" in figures and "25.0 points of 100 on the 4 questions of digits" in figures
    assert "60.0 % of the answers that it sampled to training questions in step 6" in figures


def test_the_untrained_students_evaluation_is_found_in_another_arm(tmp_path: Path) -> None:
    arm = tmp_path / "compare" / "ril" / "seed-0"
    run = worlds.write_training(arm / "train")
    worlds.write_evaluation(arm / "eval", worlds.student_of(run), {3})
    worlds.write_evaluation(tmp_path / "compare" / "base" / "seed-0" / "eval", worlds.BASE, {0, 1, 2})
    assert [bar.score.value for bar in build(arm).benchmarks[0].bars] == [25.0]
    (tmp_path / "compare" / "comparison.json").write_text("{}")
    assert [bar.score.value for bar in build(arm).benchmarks[0].bars] == [25.0, 75.0]


def test_small_phases_are_one_and_lose_no_second() -> None:
    timings = {"rollouts_s": [(1, 90.0), (2, 90.0)], "checkpoint_s": [(2, 0.5)], "other_s": [(1, 1.0), (2, 2.0)]}
    found = with_small_ones_together(timings)
    assert found == {"rollouts_s": [(1, 90.0), (2, 90.0)], "other_s": [(1, 1.0), (2, 2.5)]}


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no run at"):
        build(tmp_path)


def test_all_formats_say_the_same(report: Report) -> None:
    assert Report.model_validate_json(render(report, "json")) == report
    text = render(report, "md")
    assert "| pocket/train | train | finished | 6 |" in text and "&lt;b>" not in text.partition("## Flips")[0]
    assert "4 questions: 1 from wrong to right, 3 from right to wrong" in " ".join(text.split())
    assert "rilctl" in render(report, "html")[:4096]
