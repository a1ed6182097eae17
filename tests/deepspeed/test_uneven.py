"""Several ranks that can't share a step evenly learn and say what one process does: 180 drawn cases.

One of each combination of objective, ZeRO stage, adapter and number of ranks; see `uneven/draw.py`. All cases of as
many ranks run in the same processes. A case that failed runs alone with `-k 57-`, its number.
"""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.algorithms import ALGORITHMS
from rilctl.testing.ranks import run_ranks

FOLDER = Path(__file__).with_name("uneven")
sys.path.insert(0, str(FOLDER))  # as the worker finds it

from draw import COMBINATIONS, OBJECTIVES, draw  # noqa: E402

CASES = [draw(number) for number in range(len(COMBINATIONS))]

Report = dict[str, Any] | str
"""What the worker found, or what its ranks said when they died."""


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Report]:
    """By number of the case, for those that are asked for."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    wanted = {item.callspec.params["case"].number for item in items if item.path == Path(__file__)}
    found: dict[int, Report] = {}
    for num_ranks in (1, 2, 3):
        numbers = [case.number for case in CASES if case.num_ranks == num_ranks and case.number in wanted]
        found |= run_pool(numbers, num_ranks, tmp_path_factory.mktemp(f"pool-{num_ranks}"))
    return found


def run_pool(numbers: Sequence[int], num_ranks: int, out: Path) -> dict[int, Report]:
    """All cases in one set of processes; in another one those that follow a case in which it died."""
    found: dict[int, Report] = {}
    while left := [number for number in numbers if number not in found]:
        try:
            done = run_ranks(FOLDER / "worker.py", str(out), *map(str, left), num_ranks=num_ranks)
            words = "\n".join(f"rank {rank}: {each.stderr[-3000:]}" for rank, each in enumerate(done))
            is_dead = any(each.returncode for each in done)
        except subprocess.TimeoutExpired:
            words, is_dead = "its ranks wait for one another", True
        found |= {n: json.loads((out / f"{n}.json").read_text()) for n in left if (out / f"{n}.json").exists()}
        if is_dead:
            found[int((out / "started").read_text())] = words
    return found


def kind(name: str) -> str:
    """Engine and moment, of `policy/exp_avg.model.norm.weight` `policy/exp_avg`."""
    return name.partition(".")[0]


def rounding(case: Any) -> float:
    """The relative error that float32 makes.

    Where a second update weighs a whole response by the exponential of what its tokens' log-probabilities differ by,
    the errors of all of them (1e-6 of each) are one of the gradient.
    """
    correction = case.settings.get("sampler_correction", {})
    is_of_sequences = correction.get("enabled") and correction["level"] == "sequence"
    return 1e-3 if is_of_sequences and case.settings["algorithm"]["policy_updates"] > 1 else 1e-4


@pytest.mark.parametrize("case", CASES, ids=str)
def test_uneven_ranks_are_one_process(case: Any, reports: dict[int, Report]) -> None:
    report = reports[case.number]
    assert not isinstance(report, str), report
    expected, found = report["expected"], report["found"]
    assert {name for name in found if found[name] is not None} == {n for n in expected if expected[n] is not None}
    relative = rounding(case)
    for name, number in expected.items():
        if number is not None:
            # 1e-6: a sum that should be 0 is as far from it as float32 rounds its terms, which are about 1
            assert found[name] == pytest.approx(number, rel=relative, abs=1e-6), name
    assert not report["only_in_one"], "an optimizer has moments for weights that the other never moved"
    for name, (error, size) in report["gradients"].items():
        whole = math.hypot(*(n for other, (_, n) in report["gradients"].items() if kind(other) == kind(name)))
        # some are 0 but for the rounding of what they are sums of; Adam's own epsilon is 1e-8; a square has twice the
        # relative error of what is squared
        share = 2 * relative if "/exp_avg_sq." in name else relative
        assert error <= share * size + 1e-6 * whole + 1e-12, name
    for name, error in report["weights"].items():
        assert error <= 0.05, name  # a gradient that is a hundredth of its tensor's largest has two digits less


def test_the_cases_hold_what_they_are_for() -> None:
    """Empty ranks, pictures on one rank alone, rows that all lack a verdict, one long answer beside a short one."""
    shared = [case for case in CASES if case.num_ranks > 1]
    own = [[case.questions[rank :: case.num_ranks] for rank in range(case.num_ranks)] for case in shared]
    assert sum(any(all(q.is_bad for q in part) for part in parts) for parts in own) >= 20
    with_pictures = [{any(q.sample.images for q in part) for part in parts if part} for parts in own]
    assert sum(len(kinds) == 2 for kinds in with_pictures) >= 20
    trained = {case.settings["algorithm"]["name"] for case in shared if case.objective.startswith("train")}
    assert trained == set(ALGORITHMS)
    assert sum(case.verdicts == "none" and case.objective.startswith("train") for case in shared) >= 8
    assert sum(len(case.questions) % case.num_ranks != 0 for case in shared) >= 20
    assert sum(case.settings["engine"]["tokens_per_micro_batch"] <= 120 for case in shared) >= 20


def test_in_every_objective_steps_learn_something(reports: dict[int, Report]) -> None:
    """Groups that are skipped, as where no row has a verdict, are half the cases at most."""
    if len(reports) < len(CASES):
        pytest.skip("only some cases are asked for")
    for objective in OBJECTIVES:
        own = [reports[case.number] for case in CASES if case.objective == objective]
        moved = [any(size > 0 for _, size in each["gradients"].values()) for each in own if not isinstance(each, str)]
        assert sum(moved) >= len(moved) / 2, objective
