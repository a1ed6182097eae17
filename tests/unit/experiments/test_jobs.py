"""What may be made beside what is being made."""

from experiments.jobs import Job, next_job, versions
from experiments.order import Task
from experiments.rules import rules_of
from experiments.worlds import ARM_GROUPS, PLACES

from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.judging.open import judge_by_rules

from .made_up import made_up

PLACE, OTHER = PLACES[0], PLACES[1]


class Waiting:
    """A queue of jobs that are missing, by group."""

    def __init__(self, place, *groups):
        self.place, self._groups = place, groups

    def jobs(self, number):
        return iter(self._groups[number] if number < len(self._groups) else ())


def job(arm, seed, place=PLACE, rate=None):
    return Job(place.name, Task(arm, seed, rate))


def test_the_first_of_a_seed_makes_what_its_arms_share_before_others_begin():
    first, second, elsewhere = job("ril", 0), job("gad", 0), job("gad", 1)
    queue = Waiting(PLACE, [first, second, elsewhere])
    assert next_job([queue], [], set()) == first
    assert next_job([queue], [first], set()) == elsewhere
    assert next_job([queue], [first], {first.shared}) == second


def test_two_runs_never_write_into_one_folder():
    low, high = job("ril", 100, rate=1e-4), job("ril", 100, rate=1e-3)
    assert next_job([Waiting(PLACE, [low, high])], [low], {low.shared}) is None


def test_a_group_of_arms_comes_in_every_place_before_the_next_group():
    assert len(PLACE.groups) == len(OTHER.groups) == len(ARM_GROUPS) > 1
    later, earlier = job("gad", 0), job("ril", 0, OTHER)
    assert next_job([Waiting(PLACE, [], [later]), Waiting(OTHER, [earlier])], [], set()) == earlier
    assert next_job([Waiting(PLACE, [], [later]), Waiting(OTHER, [earlier])], [earlier], {earlier.shared}) == later


def test_a_run_says_from_now_on_which_rules_judged_it():
    rules = rules_of(made_up("ril", 0, 1e-3).model_copy(update={"versions": versions()}))
    assert rules is not None and judge_by_rules(RuleJudgeConfig()).name.startswith(f"{rules}(")
