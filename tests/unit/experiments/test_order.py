"""What is run next depends on what is known, and on nothing else."""

from dataclasses import replace

from experiments.order import Task, best_rate, missing_tasks, runs_of
from experiments.worlds import SEEDS, TUNING_SEED

from .made_up import PLACE, RATES, done, empty, made_up


def next_task(*arguments):
    return next(missing_tasks(*arguments), None)


def all_tasks(results=None):
    results, found = results or empty(), []
    for group in PLACE.groups:
        while (task := next_task(PLACE, group, RATES, results, lambda run: True)) is not None:
            found.append(task)
            results = results.with_run(done(task))
    return found, results


def test_a_groups_trials_come_first_then_all_its_arms_on_each_seed():
    tasks, _ = all_tasks()
    first = [(task.arm, task.seed) for task in tasks[: 2 + 2 * len(SEEDS)]]
    assert first[:2] == [("sft-right", TUNING_SEED)] * 2
    assert first[2:] == [(arm, seed) for seed in SEEDS for arm in PLACE.groups[0]]
    assert [task.arm for task in tasks[len(first) :]] == ["ril"] * (2 + len(SEEDS))


def test_every_arm_has_as_many_trials_as_rates_and_each_seed_once():
    tasks, results = all_tasks()
    for arm, rates in RATES.items():
        assert [task.rate for task in tasks if task.arm == arm and task.is_trial] == list(rates)
        assert sorted(task.seed for task in tasks if task.arm == arm and not task.is_trial) == list(SEEDS)
        assert len(runs_of(PLACE, results, arm)) == len(SEEDS)


def test_what_can_be_made_at_once_has_its_rate():
    """An arm's seeds wait for all of its trials; other arms don't."""

    def ready(results):
        return list(missing_tasks(PLACE, PLACE.groups[0], RATES, results, lambda run: True))

    first, *others = ready(empty())
    assert {task.arm for task in [first, *others] if task.is_trial} == {"sft-right"}
    assert {task.arm for task in others if not task.is_trial} == {"base"}
    half = empty().with_run(done(first))
    assert {task.arm for task in ready(half) if not task.is_trial} == {"base"}
    tuned = ready(half.with_run(done(others[0])))
    assert {task.arm for task in tuned} == {"base", "sft-right"} and len(tuned) == 2 * len(SEEDS)


def test_wherever_it_was_stopped_it_goes_on_with_the_same_tasks():
    tasks, _ = all_tasks()
    results = empty()
    for number, task in enumerate(tasks):
        assert all_tasks(results)[0] == tasks[number:]
        results = results.with_run(done(task))


def test_seeds_are_run_at_the_rate_that_validation_chose_and_of_equal_ones_the_lowest():
    low, high = made_up("ril", TUNING_SEED, 1e-4, validation=0.6), made_up("ril", TUNING_SEED, 1e-3, validation=0.7)
    assert best_rate([low, high]) == 1e-3
    assert best_rate([low, made_up("ril", TUNING_SEED, 1e-3, validation=0.6)]) == 1e-4
    assert best_rate([]) is None
    results = empty().with_run(low).with_run(high)
    assert next_task(PLACE, ["ril"], RATES, results, lambda run: True) == Task("ril", 0, 1e-3)


def test_a_run_of_another_recipe_is_made_again():
    _, results = all_tasks()
    stale = made_up("base", SEEDS[1], None, right=(True, False)).model_copy(update={"recipe": "yesterday"})
    results = results.with_run(stale)
    assert next_task(PLACE, PLACE.groups[0], RATES, results, lambda run: run.recipe == "today") == Task(
        "base", SEEDS[1], None
    )


def test_an_arm_whose_overlay_does_not_ship_waits():
    assert next_task(PLACE, PLACE.groups[0], {}, empty(), lambda run: True) is None


def test_where_one_thing_is_changed_all_arms_have_the_rate_of_one():
    place = replace(PLACE, rates_from="ril")
    results = empty().with_run(made_up("ril", TUNING_SEED, 1e-4, validation=0.7))
    results = results.with_run(made_up("ril", TUNING_SEED, 1e-3, validation=0.6))
    assert next_task(place, ["sft-right"], RATES, results, lambda run: True) == Task("sft-right", 0, 1e-4)
