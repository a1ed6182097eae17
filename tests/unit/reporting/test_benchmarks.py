from dataclasses import replace

import pytest

from rilctl.reporting.benchmark_tables import markdown_row, table
from rilctl.reporting.benchmarks import (
    BenchmarkScore,
    Difference,
    ReferenceScores,
    SuiteScores,
    difference_figures,
    from_metrics,
    picture_figures,
    to_metrics,
)

TWO = SuiteScores(
    (
        BenchmarkScore("AI2D", 80.0, 78.5, 81.4, num_questions=3088),
        BenchmarkScore("MMMU", 50.25, 47.0, 53.5, num_questions=900, num_rejected=2, guessed_share=0.125),
    )
)


def test_scores_come_back_from_an_artifacts_metrics() -> None:
    metrics = to_metrics(TWO)
    assert metrics["score"] == pytest.approx(65.125)
    assert from_metrics(metrics, {"AI2D": None, "MMMU": None}) == TWO


def test_a_mean_that_is_not_of_everything_says_so_and_is_no_metric() -> None:
    gap = SuiteScores((*TWO.scores, BenchmarkScore("BLINK", None, num_rejected=4)))
    part = SuiteScores(TWO.scores, is_part=True)
    assert (TWO.mean_name, gap.mean_name, part.mean_name) == ("mean", "mean of 2", "mean of 2")
    assert "score" not in to_metrics(gap) and "score" not in to_metrics(part)
    assert from_metrics(to_metrics(gap), {"AI2D": None, "MMMU": None, "BLINK": None}) == gap


def test_the_table() -> None:
    reference = ReferenceScores("reference", {"AI2D": 81.0, "MMMU": 49.0}, 65.0)
    assert table(TWO, reference, 0.95).splitlines() == [
        "benchmark  score  95% interval  questions  rejected  guessed  reference  difference",
        "AI2D        80.0  78.5 to 81.4      3,088         -        -       81.0        -1.0",
        "MMMU        50.2  47.0 to 53.5        900         2    12.5%       49.0        +1.2",
        "mean        65.1                                                   65.0        +0.1",
    ]
    assert table(TWO, None, 0.9).splitlines()[-1] == "mean        65.1"


def test_how_a_judge_was_stands_beside_the_score() -> None:
    rates = {"false_positive_rate": 0.017, "false_negative_rate": 0.0, "num": 74.0}
    judged = SuiteScores((replace(TWO.scores[0], canaries=rates), TWO.scores[1]))
    assert from_metrics(to_metrics(judged), {"AI2D": None, "MMMU": None}) == judged
    assert table(judged, None, 0.95).splitlines() == [
        "benchmark  score  95% interval  questions  rejected  guessed  judge: false +  judge: false -",
        "AI2D        80.0  78.5 to 81.4      3,088         -        -            1.7%            0.0%",
        "MMMU        50.2  47.0 to 53.5        900         2    12.5%               -               -",
        "mean        65.1",
    ]
    assert "| judge: false + | 1.7% | - | - |" in markdown_row("student", judged, []).splitlines()


def test_a_part_never_stands_beside_a_whole_mean() -> None:
    paper = ReferenceScores("paper", {}, 76.22)
    assert "76.2" in table(TWO, paper, 0.95)
    assert "76.2" not in table(SuiteScores(TWO.scores, is_part=True), paper, 0.95)


def test_a_papers_row() -> None:
    assert markdown_row("student", TWO, ["lmms-eval 0.7.3"]).splitlines() == [
        "| student | AI2D | MMMU | mean |",
        "| --- | ---: | ---: | ---: |",
        "| student | 80.0 | 50.2 | 65.1 |",
        "| interval | 78.5 to 81.4 | 47.0 to 53.5 |  |",
        "",
        "- lmms-eval 0.7.3",
    ]


KINDS = SuiteScores(
    (
        BenchmarkScore(
            "Pets",
            62.5,
            38.6,
            81.5,
            num_questions=16,
            parts=(
                BenchmarkScore("kind=colour", 75.0, 40.9, 92.9, num_questions=8),
                BenchmarkScore("kind=number/size", 50.0, 21.5, 78.5, num_questions=8),
            ),
        ),
    )
)


def test_kinds_of_question_come_back_from_metrics_and_stand_under_their_benchmark() -> None:
    metrics = to_metrics(KINDS)
    assert metrics["Pets/kind=number/size/score"] == 50.0
    assert from_metrics(metrics, {"Pets": "kind"}) == KINDS
    assert from_metrics(metrics, {"Pets": None}).scores[0].parts == ()
    assert table(KINDS, None, 0.95).splitlines() == [
        "benchmark           score  95% interval  questions  rejected  guessed",
        "Pets                 62.5  38.6 to 81.5         16         -        -",
        "  kind=colour        75.0  40.9 to 92.9          8         -        -",
        "  kind=number/size   50.0  21.5 to 78.5          8         -        -",
        "mean                 62.5",
    ]
    assert "| kind=colour | 75.0 | 40.9 to 92.9 | 8 |" in markdown_row("student", KINDS, [])


def test_a_paired_difference_has_its_interval_and_what_was_paired() -> None:
    paired = Difference(6.25, -3.1, 15.2, 14)
    reference = ReferenceScores("reference", {"Pets": 56.25}, 56.25, differences={"Pets": paired})
    lines = table(KINDS, reference, 0.95).splitlines()
    assert lines[0].endswith("reference  difference   95% interval  in both")
    assert lines[1].endswith("56.2        +6.2  -3.1 to +15.2       14")
    assert lines[-1].endswith("56.2        +6.2")
    assert difference_figures(reference) == {
        "Pets/difference": 6.25,
        "Pets/num_in_both": 14.0,
        "Pets/difference_low": -3.1,
        "Pets/difference_high": 15.2,
    }


def test_other_pictures_stand_under_their_benchmark_and_come_back() -> None:
    swapped = BenchmarkScore("swapped", 70.0, 68.0, 72.0, num_questions=3000, gap=Difference(10.0, 8.5, 11.5, 2990))
    alone = BenchmarkScore("none", None, num_rejected=3)
    scores = SuiteScores((replace(TWO.scores[0], pictures=(swapped, alone)), TWO.scores[1]))
    assert from_metrics(to_metrics(scores), {"AI2D": None, "MMMU": None}) == scores
    assert picture_figures(scores) == {
        "AI2D/swapped/score": 70.0,
        "AI2D/swapped/gap": 10.0,
        "AI2D/swapped/gap_low": 8.5,
        "AI2D/swapped/gap_high": 11.5,
    }
    assert table(scores, None, 0.95).splitlines()[:4] == [
        "benchmark          score  95% interval  questions  rejected  guessed    gap   95% interval  in both",
        "AI2D                80.0  78.5 to 81.4      3,088         -        -",
        "  picture swapped   70.0  68.0 to 72.0      3,000         -        -  +10.0  +8.5 to +11.5    2,990",
        "  picture none         -             -          0         3        -      -              -        -",
    ]
    assert "| another question's | 70.0 | 68.0 to 72.0 | 3000 | +10.0 | +8.5 to +11.5 | 2,990 |" in markdown_row(
        "student", scores, []
    )
