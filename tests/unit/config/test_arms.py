"""Overlays as arms of a comparison."""

from pathlib import Path

import pytest

from rilctl.config.arms import Arm, find_overlay, read_arm, read_arms, shipped_arms
from rilctl.config.load import load_recipe
from rilctl.config.recipe import Recipe
from rilctl.config.shipped import recipes_dir
from rilctl.errors import ConfigError, UsageError

QUICKSTART = recipes_dir() / "quickstart.toml"


def overlay(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", shipped_arms())
def test_a_shipped_arm_lies_over_the_quickstarts_recipe(name: str) -> None:
    arm = read_arm([QUICKSTART], find_overlay(name))
    assert (arm.name, arm.recipe.arm) == (name, arm.table)
    assert arm.recipe.data == load_recipe([QUICKSTART]).data  # all arms have the same questions


def test_the_page_about_recipes_has_every_shipped_arm_with_its_verbs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipes.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| [`") and "/arms/" in line]
    told = {cells[1].split("`")[1]: cells[3].strip() for cells in rows}
    assert told == {name: ", ".join(read_arm([QUICKSTART], find_overlay(name)).table.verbs) for name in shipped_arms()}


@pytest.mark.parametrize(
    "overlay", sorted((recipes_dir() / "arms/ablations").glob("*.toml")), ids=lambda path: path.stem
)
def test_a_shipped_ablation_is_the_method_but_for_a_choice(overlay: Path) -> None:
    ablated, method = (read_arm([QUICKSTART], path) for path in (overlay, find_overlay("ril")))
    assert (ablated.name, ablated.table.verbs) == (overlay.stem, method.table.verbs)
    assert ablated.recipe.model_copy(update={"arm": method.table}) != method.recipe or ablated.name == "binary"
    assert {name for name in Recipe.model_fields if getattr(ablated.recipe, name) != getattr(method.recipe, name)} <= {
        *("arm", "train", "pretrain_disc")
    }


def test_an_arm_stands_over_the_recipe_and_under_what_is_set(tmp_path: Path) -> None:
    own = overlay(
        tmp_path, "mine", '[arm]\nabout = "mine"\nverbs = ["train"]\n[train]\nnum_steps = 7\nquestions_per_step = 5\n'
    )
    arm = read_arm([QUICKSTART], own, ["train.num_steps=8"])
    assert arm.recipe.train is not None
    assert (arm.recipe.train.num_steps, arm.recipe.train.questions_per_step) == (8, 5)
    assert arm.table.verbs == ("train",)


def test_arms_come_in_the_order_in_which_they_are_named() -> None:
    assert [arm.name for arm in read_arms([QUICKSTART], ["ril", "base"])] == ["ril", "base"]


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="no arm `rill`; did you mean `ril`"):
        find_overlay("rill")


def test_two_arms_of_one_name_are_refused(tmp_path: Path) -> None:
    own = overlay(tmp_path, "base", '[arm]\nabout = "mine"\nverbs = []\n')
    with pytest.raises(UsageError, match="two arms are named `base`"):
        read_arms([QUICKSTART], ["base", str(own)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nnum_steps = 7\n", r"mine\.toml: an arm needs an \[arm\] table"),
        ('[arm]\nabout = "x"\n', r"`arm\.verbs`"),
        ('[arm]\nabout = "x"\nverbs = ["eval"]\n', r"`arm\.verbs\[0\]`"),
        ('[arm]\nabout = "x"\nverbs = ["pretrain-disc"]\n', "must end in `sft` or `train`"),
        ('[arm]\nabout = "x"\nverbs = ["sft", "sft"]\n', "names one twice"),
        ('[arm]\nabout = ""\nverbs = []\n', r"`arm\.about`"),
    ],
)
def test_what_is_no_arm_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_arm([QUICKSTART], overlay(tmp_path, "mine", text))


def test_a_recipe_with_an_arms_table_is_a_recipe() -> None:
    plain = load_recipe([QUICKSTART])
    assert plain.arm is None and "arm" not in plain.model_dump(mode="json")
    arm: Arm = read_arm([QUICKSTART], find_overlay("ril"))
    assert arm.recipe.model_copy(update={"arm": None}) == plain
