"""The page says what the results say, and what they lack; docs/results.md is such a page."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from experiments import page
from experiments import results as stored
from experiments.worlds import SEEDS, TUNING_SEED

from .made_up import empty, made_up

RIGHT = {"base": 2, "sft-right": 6, "ril": 9}
"""Of ten questions, asked ten times over."""


def results_of(seeds=SEEDS):
    results = empty()
    for arm, num in RIGHT.items():
        rate = None if arm == "base" else 1e-3
        if rate is not None:
            results = results.with_run(made_up(arm, TUNING_SEED, 1e-5, validation=0.2))
            results = results.with_run(made_up(arm, TUNING_SEED, 1e-4, validation=0.41))
            results = results.with_run(made_up(arm, TUNING_SEED, rate, validation=0.83))
        for seed in seeds:
            results = results.with_run(made_up(arm, seed, rate, right=([True] * num + [False] * (10 - num)) * 10))
    return results


def rendered(tmp_path: Path, results) -> dict[str, str]:
    stored.write(results, tmp_path / "results")
    return {path.name: text for path, text in page.render(tmp_path / "results", tmp_path / "docs").items()}


def test_whole_results(tmp_path):
    files = rendered(tmp_path, results_of())
    text = files["results.md"]
    row = next(line for line in text.splitlines() if line.startswith("| `ril` | 90.0"))
    assert "+30.0" in row and "90.0 90.0 90.0 90.0 90.0" in row and "| 0.001 ▸ |" in row
    assert "Ahead of `sft-right`: `ril`. Behind it: `base`. Not told apart from it: none." in text
    assert "| digits-truth | `ril` | 1e-05: 20.0, 0.0001: 41.0, 0.001: 83.0 | 0.001 |" in text
    assert "| `ril` | 5 of 5 | – |" in text and "| `dpo` | – | – |" in text
    assert "| `ril-sighted` | – | – | – |" in text  # gone, and a column of no place where it never was
    assert "sft-right" in ElementTree.fromstring(files["results-digits-truth.svg"]).itertext()


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_without_all_seeds_nothing_is_concluded(tmp_path, num_seeds):
    text = rendered(tmp_path, results_of(SEEDS[:num_seeds]))["results.md"]
    assert "`sft-right` doesn't have all its seeds yet, so nothing is concluded." in text
    assert f"| `ril` | {num_seeds} of 5 | – |" in text and "Left out so far" in text


def test_a_rate_is_not_taken_before_all_were_tried(tmp_path):
    text = rendered(tmp_path, empty().with_run(made_up("ril", TUNING_SEED, 1e-4)))["results.md"]
    assert "| digits-truth | `ril` | 0.0001: 50.0 | not yet |" in text


def test_the_rules_that_judged_are_named_where_they_are_known(tmp_path):
    unknown = made_up("ril", TUNING_SEED, 1e-4)
    recorded = made_up("ril", TUNING_SEED, 1e-3).model_copy(update={"versions": {"rilctl": "1", "rules": "rule-12"}})
    by_commit = made_up("base", SEEDS[0], None, right=[True]).model_copy(update={"commit": "775f1ef89f"})
    changed = made_up("base", SEEDS[1], None, right=[True]).model_copy(update={"commit": "775f1ef89f+"})
    results = empty()
    for run in (unknown, recorded, by_commit, changed):
        results = results.with_run(run)
    lines = rendered(tmp_path, results)["results.md"].splitlines()
    assert "- 4 runs: rilctl 1" in lines  # whoever judges, the same computes
    assert "- answers judged by rule-12 in 1, rule-5 in 1, a version that isn't recorded in 2" in lines


def test_no_results_at_all(tmp_path):
    (text,) = page.render(tmp_path, tmp_path / "docs").values()
    assert "0 of about " in text and "| `ril` | – | – |" in text and "Rates that were tried" not in text


def test_the_page_of_the_docs_is_what_the_results_say(capsys):
    assert page.check_page() == 0, capsys.readouterr().err
