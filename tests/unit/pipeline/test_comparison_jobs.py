"""The commands of a comparison."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rilctl.config.arms import shipped_arms
from rilctl.config.load import load_recipe
from rilctl.config.shipped import recipes_dir
from rilctl.errors import ConfigError, UsageError
from rilctl.pipeline.comparison.jobs import Planned, plan_jobs
from rilctl.pipeline.comparison.setup import Budget, Comparison, make_comparison, parse_budget
from rilctl.pipeline.jobs import Job

QUICKSTART = recipes_dir() / "quickstart.toml"
ARMS = ("base", "sft-right", "dr-grpo", "answer-teachers", "ril", "ril-quarter")
WARM = ("sft.num_epochs=2", "train.num_steps=40")


def compared(folder: Path, arms: Sequence[str] = ARMS, *, warm: bool = False, **options: object) -> Comparison:
    """Of the quickstart's recipe; `warm`: as a recipe of one's own, whose `[sft]` is the warm start."""
    text = QUICKSTART.read_text()
    if warm:
        text = text.replace('student = "pocket-student"\n', "")
    path = folder / "recipe.toml"
    path.write_text(text)
    return make_comparison([path], arms=arms, **options)  # type: ignore[arg-type]


def sets(job: Job) -> dict[str, str]:
    found = (text.removeprefix("--set=").partition("=") for text in job.arguments if text.startswith("--set="))
    return {key: value for key, _, value in found}


def files(job: Job) -> list[Path]:
    return [Path(text) for text in job.arguments[1:] if text.endswith(".toml") and not text.startswith("--")]


def test_every_command_is_one_that_the_recipe_allows(tmp_path: Path) -> None:
    all_of_them = compared(tmp_path, shipped_arms(), warm=True, num_seeds=2, budget=Budget("steps", 5))
    for comparison in (compared(tmp_path), all_of_them):
        for job in plan_jobs(comparison).jobs.values():
            load_recipe(files(job), [f"{key}={value}" for key, value in sets(job).items()])


def test_a_recipe_that_counts_tokens_itself_allows_every_command(tmp_path: Path) -> None:
    counted = ("sft.num_tokens=5000", "train.num_tokens=6000")
    for budget in (None, Budget("steps", 5), Budget("tokens", 700)):
        for job in plan_jobs(compared(tmp_path, overrides=counted, budget=budget)).jobs.values():
            load_recipe(files(job), [f"{key}={value}" for key, value in sets(job).items()])


def test_every_job_comes_after_what_it_needs_and_writes_for_itself(tmp_path: Path) -> None:
    planned = plan_jobs(compared(tmp_path, warm=True, num_seeds=2))
    done: set[str] = set()
    for name, job in planned.jobs.items():
        assert job.all_needs <= done, name
        done.add(name)
    assert len(set(planned.places.values())) == len(planned.jobs)
    assert [name for name in planned.jobs if name.startswith("eval-")] == [f"eval-{name}" for name in ARMS]


def test_arms_share_cache_verdicts_and_student(tmp_path: Path) -> None:
    planned = plan_jobs(compared(tmp_path, warm=True))
    assert [*planned.jobs][:3] == ["cache-teacher", "judge", "sft"]
    assert planned.places["cache-teacher"] == Path("runs/recipe/cache-teacher")  # as `rilctl run` makes it
    ril = sets(planned.jobs["train-ril"])
    assert ril["train.student"] == "{sft:student}" and ril["train.teacher_cache"] == "{cache-teacher:teacher-cache}"
    assert ril["train.verdicts"] == "{judge:verdicts}"
    assert ril["train.discriminator_artifact"] == "{pretrain-disc-ril:discriminator}"
    assert sets(planned.jobs["sft-sft-right"])["sft.student"] == "{sft:student}"
    assert sets(planned.jobs["eval-base"])["eval.student"] == "{sft:student}"
    assert "cache-teacher" not in planned.jobs["train-dr-grpo"].all_needs | planned.jobs["eval-base"].all_needs


def test_one_discriminator_does_for_arms_that_would_make_the_same(tmp_path: Path) -> None:
    planned = plan_jobs(compared(tmp_path, (*ARMS, "gad"), num_seeds=2))
    discs = [name for name, job in planned.jobs.items() if job.arguments[0] == "pretrain-disc"]
    assert discs == ["pretrain-disc-ril", "seed1-pretrain-disc-ril", "pretrain-disc-gad", "seed1-pretrain-disc-gad"]
    assert planned.own["ril-quarter", 1] == ("seed1-pretrain-disc-ril", "seed1-train-ril-quarter")
    quarter = sets(planned.jobs["train-ril-quarter"])
    assert quarter["train.discriminator_artifact"] == "{pretrain-disc-ril:discriminator}"


def test_the_others_learn_from_as_many_tokens_as_the_first_arm_with_a_discriminator(tmp_path: Path) -> None:
    planned = plan_jobs(compared(tmp_path, num_seeds=2))
    for name, verb in (("sft-sft-right", "sft"), ("train-dr-grpo", "train"), ("train-ril-quarter", "train")):
        assert sets(planned.jobs[name])[f"{verb}.match_tokens"] == "{train-ril:rollouts}"
        assert sets(planned.jobs[f"seed1-{name}"])[f"{verb}.match_tokens"] == "{seed1-train-ril:rollouts}"
    assert "train.match_tokens" not in sets(planned.jobs["train-ril"])


def test_a_budget_holds_for_every_arm(tmp_path: Path) -> None:
    steps = plan_jobs(compared(tmp_path, budget=Budget("steps", 7))).jobs
    assert {sets(steps[f"train-{arm}"])["train.num_steps"] for arm in ("ril", "dr-grpo")} == {"7"}
    assert sets(steps["sft-sft-right"])["sft.match_tokens"] == "{train-ril:rollouts}"
    tokens = plan_jobs(compared(tmp_path, budget=Budget("tokens", 700))).jobs
    assert sets(tokens["train-ril"])["train.num_tokens"] == "700" == sets(tokens["sft-sft-right"])["sft.num_tokens"]
    assert not any("match_tokens" in key for job in tokens.values() for key in sets(job))
    alone = plan_jobs(compared(tmp_path, ("sft-data", "sft-right"), budget=Budget("steps", 7))).jobs
    assert sets(alone["sft-sft-data"])["sft.num_steps"] == "7"


def test_two_verbs_that_make_a_student_share_its_tokens(tmp_path: Path) -> None:
    jobs = plan_jobs(compared(tmp_path, ("ril", "sft-then-ril"), budget=Budget("tokens", 700))).jobs
    assert sets(jobs["sft-sft-then-ril"])["sft.num_tokens"] == "350"
    assert sets(jobs["train-sft-then-ril"])["train.num_tokens"] == "350"
    assert sets(jobs["train-sft-then-ril"])["train.student"] == "{sft-sft-then-ril:student}"
    assert sets(jobs["train-ril"])["train.num_tokens"] == "700"
    unbounded = plan_jobs(compared(tmp_path, ("ril", "sft-then-ril"))).jobs
    assert not any("tokens" in key for key in sets(unbounded["sft-sft-then-ril"]))


def test_an_arm_of_its_own_length_keeps_it_unless_there_is_a_budget(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('[arm]\nabout = "mine"\nverbs = ["sft"]\nown_length = true\n')
    arms = ("ril", str(own))
    assert "sft.match_tokens" not in sets(plan_jobs(compared(tmp_path, arms)).jobs["sft-mine"])
    assert "sft.match_tokens" in sets(plan_jobs(compared(tmp_path, arms, budget=Budget("steps", 7))).jobs["sft-mine"])


def test_what_an_overlay_names_itself_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('[arm]\nabout = "mine"\nverbs = ["train"]\n[train]\nstudent = "other"\n')
    planned = plan_jobs(compared(tmp_path, ("ril", str(own)), warm=True))
    assert "train.student" not in sets(planned.jobs["train-mine"])


def test_seeds_are_of_training_alone(tmp_path: Path) -> None:
    planned = plan_jobs(compared(tmp_path, num_seeds=2))
    assert not any(".seed" in key for name, job in planned.jobs.items() if "seed1" not in name for key in sets(job))
    seeded = {
        key for name, job in planned.jobs.items() if "seed1" in name for key in sets(job) if key.endswith(".seed")
    }
    assert seeded == {"sft.seed", "pretrain-disc.seed", "train.seed"}
    assert "seed1-eval-base" not in planned.jobs  # it has no other student


def test_a_pilot_keeps_all_to_itself(tmp_path: Path) -> None:
    comparison = compared(tmp_path, warm=True, pilot=100)
    planned = plan_jobs(comparison)
    assert all(place.is_relative_to("runs/recipe/pilot-100") for place in planned.places.values())
    assert all(sets(job)["data.select.num_samples"] == "100" for job in planned.jobs.values())
    assert comparison.budget == Budget("steps", 20)  # four passes, 20 questions a step
    assert sets(planned.jobs["sft"])["sft.num_steps"] == "7"
    assert comparison.full.data != comparison.recipe.data


def test_without_an_eval_table_the_held_out_questions_are_asked(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(QUICKSTART.read_text().replace('[eval]\nsuite = "digits"\n', ""))
    jobs: Planned = plan_jobs(make_comparison([path], arms=("base", "ril")))
    assert sets(jobs.jobs["eval-ril"])["eval.suite"] == "validation"
    path.write_text('[data]\ntype = "digits"\n[student]\nmodel = "pocket-student"\n')
    with pytest.raises(ConfigError, match="nothing to compare students on"):
        make_comparison([path])


def test_what_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two arms at least"):
        compared(tmp_path, ("ril",))
    for text in ("7", "tokens=0", "steps=-1", "epochs=2"):
        with pytest.raises(UsageError, match=r"--budget .* is no budget"):
            parse_budget(text)
    assert parse_budget("tokens=200_000") == Budget("tokens", 200_000)
