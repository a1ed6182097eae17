"""`compare`, as far as it goes without a process of its own; `tests/unit/pipeline` runs its commands."""

from pathlib import Path

import pytest

from rilctl.config.shipped import recipes_dir

from .helpers import call, snapshot

RECIPE = recipes_dir() / "quickstart.toml"


def test_beforehand_nothing_is_written(tmp_path: Path) -> None:
    outcome = call(tmp_path, "compare", RECIPE, "--pilot", "100", "--seeds", "2", "--jobs", "1", "--dry-run", "--json")
    assert outcome.code == 0, outcome.stderr
    plan = outcome.report
    assert plan["arms"] == ["base", "sft-teachers", "sft-right", "dr-grpo", "answer-teachers", "ril"]
    assert (plan["jobs"], plan["finished"], plan["seconds"]) == (2 + 2 * 6 + 11, 0, None)
    assert plan["response_tokens"] == 2 * 5 * 20 * 20 * 8 * 24  # of each seed: five arms, twenty steps
    assert not [*tmp_path.iterdir()]
    told = call(tmp_path, "compare", RECIPE, "--arms", "base,sft-right", "--budget", "tokens=5000", "--dry-run")
    assert "5,000 at most" in told.stdout and "runs/quickstart/compare" in told.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--arms", "base,rill"), "no arm `rill`; did you mean `ril`?"),
        (("--arms", "ril"), "two arms at least"),
        (("--arms", "ril,ril"), "arm `ril` is named twice"),
        (("--arms", "ril,somewhere/ril.toml"), "two arms are named `ril`"),
        (("--arms", ""), "what comes after `--arms` is empty"),
        (("--arms", ","), "`--arms ,` has an empty name"),
        (("--arms", "base,,ril"), "`--arms base,,ril` has an empty name"),
        (("--arms", "nosuch"), "no arm `nosuch`"),
        (("--arms", "ril,nowhere.toml"), "no arm `nowhere.toml`: there is no such file\n"),
        (("--arms", "base,rill.toml"), "no arm `rill.toml`: there is no such file; did you mean `ril`?"),
        (("--arms", "base,somewhere/rill.toml"), "there is no such file; did you mean `somewhere/ril.toml`?"),
        (("--set", "eval.suite=digit"), "no suite `digit`; did you mean `digits`?"),
        (("--set", 'eval.tasks=["digts"]'), "suite `digits` has no benchmark `digts`; did you mean `Digits`?"),
        (("--budget", "hours=3"), "`--budget hours=3` is no budget"),
        (("--set", "eval.suite=nothing", "--arms", "base,ril", "--pilot", "0"), "invalid value for `--pilot`"),
    ],
)
def test_what_cant_be_compared_is_refused_before_anything_starts(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "somewhere/ril.toml").write_text('[arm]\nabout = "mine"\nverbs = []\n')
    before = snapshot(tmp_path)
    call(tmp_path, "compare", RECIPE, *options).refused(2, message)
    assert snapshot(tmp_path) == before and [*tmp_path.iterdir()] == [tmp_path / "somewhere"]


def test_arms_that_a_space_divides_are_put_together(tmp_path: Path) -> None:
    for words in (("--arms", "base", "ril", RECIPE), (RECIPE, "ril", "--arms", "base")):
        call(tmp_path, "compare", *words).refused(2, "`ril` is an arm, not a recipe", "`--arms base,ril`")
    call(tmp_path, "compare", RECIPE, "rill").refused(2, "no recipe `rill`")


def test_an_arm_of_an_odd_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my arm.toml").write_text('[arm]\nabout = "mine"\nverbs = []\n')
    call(tmp_path, "compare", RECIPE, "--arms", "base,my arm.toml").refused(2, "can't be named `my arm`")
