"""A world in small: an arm's student is made and asked, and the run says what it took."""

from pathlib import Path

import pytest
from experiments.order import Task
from experiments.runs import Surroundings, arm_of, make_run, recipe_digest
from experiments.worlds import NUM_TRIALS, PLACES, WORLDS, Place, Regime, World, rates_of

from rilctl import api

SMALL = """
[data]
num_questions = 12
validation = { num_samples = 4 }

[cache-teacher]
num_responses = 2

[sft]
num_tokens = 400
num_validation_questions = 4
"""


class Small(Regime):
    """Overlaid as any other, from a folder of the test's own."""

    folder: Path

    @property
    def overlay(self) -> Path:
        return self.folder / "small.toml"


@pytest.fixture
def small(tmp_path: Path) -> Place:
    Small.folder = tmp_path
    (tmp_path / "small.toml").write_text(SMALL)
    seeded = WORLDS[0].seeded
    return Place(World("digits", "in small", seeded, test={"eval.limit": "20"}), Small("small", "of a test"))


def around(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path / "work", api.StopFlag(), api.SilentReporter(), "abc", {"rilctl": "1"})


def test_a_student_is_made_and_asked(small: Place, tmp_path: Path) -> None:
    task = Task("sft-right", 0, 1e-3)
    run, digest = make_run(small, arm_of(small, "sft-right"), task, around(tmp_path), models="")
    assert len(run.correct) == 20 and any(run.correct) and len(digest) == 12
    assert run.validation is not None and run.cpu_s > 0
    assert 400 <= run.num_tokens < 1200  # the last step is a whole one
    assert not (tmp_path / "work/runs/digits-small-0/sft-right").exists()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_every_arm_is_a_recipe_everywhere(place: Place) -> None:
    digests = set()
    num = 0
    for name in (name for group in place.groups for name in group):
        arm = arm_of(place, name)
        for rate in rates_of(name, arm.table.verbs):
            digests.add(recipe_digest(place, arm, Task(name, 0, rate)))
            num += 1
    assert len(digests) == num


def test_all_arms_that_learn_are_tried_at_as_many_rates() -> None:
    assert rates_of("base", ()) == ()
    arms = {"ril": ("train",), "sft-right": ("sft",), "dpo": ("sft",)}
    assert {len(rates_of(arm, verbs)) for arm, verbs in arms.items()} == {NUM_TRIALS}
