"""Named warnings on what runs of the pocket world measured, and on series that show one thing each.

`series/` holds metrics of real runs of 60 steps: the quickstart's `ril` and `dr-grpo`; `length-hacked` (Dr.GRPO with a
reward of weight 2 for the share of the token budget that a response fills, no KL, rate 1e-3); and
`collapsed-discriminator` (`ril` with a discriminator's rate of 0.3).
"""

from pathlib import Path

import pytest

from rilctl.views.runs.series import SeriesFile
from rilctl.views.warnings import SIGNS, find_signs
from rilctl.views.warnings.sign import Series
from rilctl.views.warnings.smoothing import ranges, turns

_SERIES = Path(__file__).parent / "series"
_DOCS = Path(__file__).parents[4] / "docs"


def _read(name: str) -> Series:
    log = SeriesFile(_SERIES / f"{name}.jsonl")
    log.read()
    return log.series


def _found(series: Series) -> dict[str, tuple[int, ...]]:
    return {sign.name: seen.steps for sign, seen in find_signs(series)}


def test_a_run_that_was_paid_for_length_is_called_that() -> None:
    found = _found(_read("length-hacked"))
    bad, look = {"accuracy-falls", "entropy-collapse", "runaway-length"}, {"truncated-answers", "no-signal"}
    assert found.keys() == bad | look
    assert found["runaway-length"][0] == 24  # 18 tokens on the mean, of 4 in the beginning
    assert found["accuracy-falls"] == (30, 40, 50, 60)


def test_a_discriminator_that_calls_all_rows_the_same_has_collapsed() -> None:
    found = _found(_read("collapsed-discriminator"))
    assert found["collapsed-discriminator"][0] == 5  # length alone is right on all rows there
    assert found["similarity-without-answers"][-1] == 60


def test_good_runs_have_no_bad_news() -> None:
    bad = {sign.name for sign in SIGNS if sign.severity == "bad"}
    assert not _found(_read("dr-grpo")).keys()
    ril = _found(_read("ril"))
    assert not ril.keys() & bad
    assert max(ril["length-only-discriminator"]) <= 20  # as students are still brief


_FLAT = [(step, 0.5) for step in range(1, 41)]


def _late(value: float, before: float = 0.0) -> list[tuple[int, float]]:
    return [(step, before if step <= 20 else value) for step in range(1, 41)]


_ONE_EACH: dict[str, dict[str, list[tuple[int, float]]]] = {
    "accuracy-falls": {
        "validation/accuracy": [(0, 0.5), (10, 0.3)],
        "validation/low": [(0, 0.45), (10, 0.25)],
        "validation/high": [(0, 0.55), (10, 0.35)],
    },
    "entropy-collapse": {"policy/entropy": _late(0.01, 0.4)},
    "runaway-length": {"response/mean_tokens": _late(60.0, 20.0), "reward/answer_student": _FLAT},
    "truncated-answers": {"response/stopped_share": _late(0.5, 1.0)},
    "no-signal": {"group/no_signal_share": _late(0.95)},
    "reward-swings": {"reward/similarity_student": [(s, float(s // 10 % 2)) for s in range(1, 71)]},
    "similarity-without-answers": {
        "reward/similarity_student": _late(0.9, 0.2),
        "reward/answer_student": _late(0.3, 0.6),
    },
    "bad-updates": {"policy/num_bad_steps": _late(1.0)},
    "gradient-spikes": {"policy/grad_norm": [(s, 30.0 if s == 33 else 1.0) for s in range(1, 41)]},
    "sampler-mismatch": {"policy/student_mismatch_kl": _late(0.3)},
    "length-only-discriminator": {"disc/balanced_accuracy": _late(0.9), "disc/length_only_accuracy": _late(0.9)},
    "saturated-discriminator": {
        "disc/saturation": _late(1.0),
        "disc/auc": _late(1.0, 0.9),
        "reward/answer_student": _FLAT,
    },
    "saturated-pretraining": {"disc/saturation": _late(1.0), "disc/auc": _late(1.0, 0.9)},
    "one-sided-discriminator": {"disc/student_accuracy": _late(1.0, 0.5), "disc/teacher_accuracy": _late(0.0, 0.5)},
    "collapsed-discriminator": {"disc/auc": _late(0.1, 0.6)},
    "sft-overfits": {
        "validation/loss": [(10, 1.0), (20, 0.8), (40, 1.0)],
        "sft/loss": [(s, 2.0 - s / 40) for s in range(1, 41)],
    },
    "judge-false-positives": {
        "judge/canary/false_positive_low": [(1, 0.0), (21, 0.12)],
        "judge/canary/false_positive_rate": [(1, 0.0), (21, 0.2)],
    },
    "missing-verdicts": {"judge/missing_share_student": _late(0.3)},
    "skipped-groups": {"group/skipped_share": _late(0.6)},
    "pictures-unused": {"validation/gap_none_high": [(0, 0.3), (10, 0.01)]},
}


@pytest.mark.parametrize("name", [sign.name for sign in SIGNS])
def test_each_sign_shows_where_it_should_and_alone(name: str) -> None:
    found = _found(_ONE_EACH[name])
    assert [*found] == [name]
    assert found[name]
    assert found[name][0] > 1


@pytest.mark.parametrize("name", [sign.name for sign in SIGNS])
def test_each_sign_says_nothing_of_a_run_that_has_just_begun(name: str) -> None:
    begun = {metric: points[:1] for metric, points in _ONE_EACH[name].items()}
    assert name not in _found(begun)
    assert not _found({})


def test_what_grows_while_answers_get_better_runs_not_away() -> None:
    longer = {"response/mean_tokens": _late(60.0, 20.0), "reward/answer_student": _late(0.8, 0.5)}
    assert not _found(longer)
    like_teachers = {"response/mean_tokens": _late(60.0, 20.0), "response/mean_tokens_teacher": _late(60.0, 60.0)}
    assert not _found(like_teachers)


def test_a_turn_counts_once_it_is_high_enough() -> None:
    zigzag = [(0, 0.0), (1, 1.0), (2, 0.0), (3, 1.0), (4, 0.9)]
    assert turns(zigzag, 0.5) == (1, 2)
    assert turns(zigzag, 1.5) == ()


def test_steps_near_each_other_are_one_range() -> None:
    assert ranges([5, 6, 7, 30]) == "5 to 7, 30"
    assert ranges([10, 20, 30]) == "10, 20, 30"
    assert ranges([]) == ""
    assert ranges([*range(0, 700, 100)]) == "0, 100, 200, 300, … 600 (7 times)"


def test_links_of_signs_lead_to_headings() -> None:
    for sign in SIGNS:
        page, _, heading = sign.docs.partition("#")
        headings = (_DOCS / page).read_text(encoding="utf-8").lower().replace("`", "").replace(".", "")
        assert f"# {heading.replace('-', ' ')}".strip("# ") in headings.replace("-", " "), sign.name
