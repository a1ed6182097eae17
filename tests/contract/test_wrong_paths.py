"""Paths at which nothing is that a command can use: what stands there instead, and what was probably meant."""

from pathlib import Path

import pytest

from .helpers import call, snapshot

RUNS = Path("runs/recipe")
SHOWN = ("show", "verify", "lineage")


@pytest.mark.parametrize("command", [*SHOWN, "rm"])
def test_a_name_that_is_near_is_named_in_each_part_of_a_path(done: Path, command: str) -> None:
    for wrong, meant in (
        ("runs/recipe/trian", "runs/recipe/train"),
        ("runs/recpe/train", "runs/recipe/train"),
        ("runs/recpe/pretrain_disc/discriminator", "runs/recipe/pretrain-disc/discriminator"),
    ):
        call(done, "artifacts", command, wrong).refused(
            5, f"error: `{wrong}` doesn't exist\nhint: did you mean `{meant}`?"
        )


@pytest.mark.parametrize("command", SHOWN)
def test_where_nothing_is_near_it_is_said_what_lists_artifacts(done: Path, command: str) -> None:
    (done / "folder").mkdir()
    for path, problem in (("xyzzy", "doesn't exist"), ("folder", "is no artifact: it has no manifest.json")):
        call(done, "artifacts", command, path).refused(
            5, f"`{path}` {problem}", "`rilctl artifacts ls DIR` lists those"
        )


@pytest.mark.parametrize("command", [*SHOWN, "ls", "gc", "rm", "cache"])
def test_a_file_is_said_to_be_one(done: Path, command: str) -> None:
    before = snapshot(done)
    call(done, "artifacts", command, "recipe.toml").refused(
        5, "error: `recipe.toml` is a file", "is it a recipe? `rilctl config show recipe.toml` shows it"
    )
    weights = RUNS / "sft/model.safetensors"
    call(done, "artifacts", command, weights).refused(
        5, f"`{weights}` is a file", f"it lies in `{RUNS / 'sft'}`: name that"
    )
    assert snapshot(done) == before


@pytest.mark.parametrize("words", [("rm", "--yes"), ("gc", "--yes"), ("show",), ("ls",), ("verify",)])
def test_an_empty_path_is_not_the_current_directory(done: Path, words: tuple[str, ...]) -> None:
    """As from `rm "$RUN"` where that is unset: inside of a run it would delete the run."""
    before = snapshot(done)
    for arguments in ((*words, ""), (words[0], "", *words[1:])):
        call(done / RUNS / "sft", "artifacts", *arguments).refused(
            2, "is empty", "a variable of the shell may be unset"
        )
    assert snapshot(done) == before


def test_a_run_inside_of_an_artifact_would_damage_it(done: Path) -> None:
    before = snapshot(done)
    for inside, artifact in ((RUNS / "sft/eval", "sft"), (RUNS / "train/student/a/b", "train/student")):
        call(done, "eval", RUNS / "sft", "--out", inside).refused(
            2, f"is inside of the artifact `{done / RUNS / artifact}`", "choose another directory"
        )
    assert snapshot(done) == before
    (done / "manifest.json").write_text('{"name": "an application of the web"}')
    assert call(done, "eval", RUNS / "sft", "--out", "elsewhere").code == 0
    assert call(done, "eval", RUNS / "sft", "--out", RUNS / "train/eval").code == 0  # of a run with several artifacts
    assert call(done, "artifacts", "verify", RUNS / "train").code == 0


def test_what_has_no_steps_is_not_synced(done: Path) -> None:
    sync = ("tracking", "sync")
    call(done, *sync, "runs/recipe/trian").refused(5, "doesn't exist", "did you mean `runs/recipe/train`?")
    call(done, *sync, "recipe.toml").refused(5, "`recipe.toml` is a file", "is it a recipe?")
    call(done, *sync, RUNS / "judge").refused(5, "is no run with a metrics.jsonl", "`pretrain-disc` or `train` has")


def test_the_root_of_all_directories_is_no_run(tmp_path: Path) -> None:
    call(tmp_path, "artifacts", "rm", "/", "--dry-run").refused(5, "error: `/` is neither a run nor an artifact")


def test_a_call_cache_is_found_above_a_run(done: Path) -> None:
    call(done, "artifacts", "cache", RUNS).refused(5, f"no call cache at `{RUNS}/", "hint: did you mean `runs`?")
    outcome = call(done, "artifacts", "cache", "--recipe", "nosuch")
    assert outcome.code == 0 and "none of them is chosen" in outcome.stderr


def test_a_file_of_another_type_of_data(fresh: Path) -> None:
    for kind, problem, hint in (
        ("hub", "is a file, and data.type is `hub`", "data.type says how a file is read"),
        ("parquet", "not a Parquet file", "is it JSON Lines? data.type says"),
    ):
        data = f"data = {{ type = '{kind}', path = 'questions.jsonl' }}"
        call(fresh, "data", "check", "--set", data).refused(5, f"{fresh / 'questions.jsonl'}", problem, hint)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_mirror_that_is_not_there_is_missed_whether_or_not_it_would_be_read(
    done: Path, more: tuple[str, ...]
) -> None:
    for wrong, problem in (("nope", "it doesn't exist"), ("recipe.toml", "it is a file")):
        for out in ((), ("--out", "other")):
            call(done, "eval", "--data-dir", wrong, *out, *more).refused(
                5, f"no mirror of data sets at `{done / wrong}`: {problem}", "`<owner>/<name>`"
            )


def test_a_discriminator_answers_nothing_nor_does_a_plan_take_it_for_a_student(done: Path) -> None:
    disc = str(RUNS / "pretrain-disc/discriminator")
    plans = (("sft", "--student"), ("pretrain-disc", "--student"), ("train", "--student"), ("eval",))
    for words in (*plans, ("cache-teacher", "--teachers")):
        for more in (("--dry-run",), ()):
            call(done, *words, disc, "--out", "other", *more).refused(
                5, f"`{done / disc}` holds a discriminator, not a student"
            )
    call(done, "ask", disc, "what is it?").refused(5, f"`{done / disc}` holds a discriminator, not a student")


def test_rows_in_the_place_of_a_recipe(fresh: Path) -> None:
    sets = ("--set", "data.type=jsonl", "--set", "data.path=questions.jsonl")
    call(fresh, "data", "show", "questions.jsonl").refused(2, f"a recipe names rows: `{' '.join(sets)}`")
    assert call(fresh, "data", "show", *sets).code == 0


def test_a_name_on_the_hub_is_looked_at_before_the_folder(done: Path) -> None:
    call(done, "artifacts", "pull", "somebody/").refused(2, "`somebody/` is no name of a repository", "`OWNER/NAME`")


@pytest.mark.parametrize("command", ["report", "watch"])
def test_a_recipe_has_no_runs_to_look_at(done: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "0")  # `report` sets them; as they were, when the test is over
    call(done, command, "recipe.toml").refused(5, "`recipe.toml` is a file", "`rilctl config show recipe.toml`")
    call(done, command, "runs/recipe/trian").refused(5, "doesn't exist", "did you mean `runs/recipe/train`?")


def test_a_workspace_that_is_not_there_is_asked_for(fresh: Path) -> None:
    for command in ("ls", "gc", "cache"):
        call(fresh, "artifacts", command).refused(5, "`runs` doesn't exist", "hint: name the workspace root")


def test_a_file_where_a_verb_reads_an_artifact(done: Path) -> None:
    weights = RUNS / "sft/model.safetensors"
    call(done, "train", "--student", weights).refused(2, f"`{weights}` is a file")
    call(done, "train", "--set", f"train.teacher_cache={weights}").refused(
        5, "it is a file", f"it lies in `{done / RUNS / 'sft'}`"
    )
