import pytest

from rilctl.reporting.benchmarks import (
    BenchmarkScore,
    ReferenceScores,
    SuiteScores,
    from_metrics,
    markdown_row,
    table,
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
    assert from_metrics(metrics, ["AI2D", "MMMU"]) == TWO


def test_a_mean_that_is_not_of_everything_says_so_and_is_no_metric() -> None:
    gap = SuiteScores((*TWO.scores, BenchmarkScore("BLINK", None, num_rejected=4)))
    part = SuiteScores(TWO.scores, is_part=True)
    assert (TWO.mean_name, gap.mean_name, part.mean_name) == ("mean", "mean of 2", "mean of 2")
    assert "score" not in to_metrics(gap) and "score" not in to_metrics(part)
    assert from_metrics(to_metrics(gap), ["AI2D", "MMMU", "BLINK"]) == gap


def test_the_table() -> None:
    reference = ReferenceScores("reference", {"AI2D": 81.0, "MMMU": 49.0}, 65.0)
    assert table(TWO, reference, 0.95).splitlines() == [
        "benchmark  score  95% interval  questions  rejected  guessed  reference  difference",
        "AI2D        80.0  78.5 to 81.4      3,088         -        -       81.0        -1.0",
        "MMMU        50.2  47.0 to 53.5        900         2    12.5%       49.0        +1.2",
        "mean        65.1                                                   65.0        +0.1",
    ]
    assert table(TWO, None, 0.9).splitlines()[-1] == "mean        65.1"


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
