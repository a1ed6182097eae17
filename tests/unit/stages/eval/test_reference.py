from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest
from pydantic import JsonValue

from rilctl.algorithms.statistics import mean_interval, paired_difference
from rilctl.artifacts.runs import open_run
from rilctl.config.evaluation import EvalConfig
from rilctl.config.recipe import Recipe
from rilctl.config.suite import Benchmark, Suite
from rilctl.errors import ArtifactError, UsageError
from rilctl.reporting.benchmarks import BenchmarkScore, ReferenceScores, SuiteScores
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.eval.reference import compared, read_reference
from rilctl.stages.shared.context import StageContext


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(Recipe(), "demo", tmp_path, tmp_path / "out", SilentReporter(), "rilctl eval")


def suite(name: str, *benchmarks: str) -> Suite:
    tables = [Benchmark(name=each, tasks=(each.lower(),), dataset="d", split="s", metric="m") for each in benchmarks]
    return Suite(name=name, benchmarks=tuple(tables))


def named(reference: str) -> EvalConfig:
    return EvalConfig(reference=reference)


def records(task: str, scores: Sequence[float], *, start: int = 0) -> list[EvaluationRecord]:
    return [
        EvaluationRecord(benchmark=task, sample_id=f"{i}", question=f"q{i}", answer="a", text="", score=score)
        for i, score in enumerate(scores, start=start)
    ]


def write_evaluation(
    path: Path,
    rows: Sequence[EvaluationRecord] = (),
    *,
    metrics: dict[str, float],
    scored_with: dict[str, JsonValue] | None = None,
) -> Path:
    with open_run(
        path,
        verb="eval",
        config={"scored_with": scored_with or {}},
        semantic={},
        inputs=[],
        roles={"evaluation": "evaluation"},
    ) as run:
        writer = run.writer("evaluation", role="evaluation")
        writer.write_rows(rows)
        writer.commit(metrics=metrics)
    return path / "evaluation"


def scores_of(rows: Sequence[EvaluationRecord], name: str = "AI2D") -> SuiteScores:
    return SuiteScores((BenchmarkScore(name, 100 * fmean(row.score for row in rows)),))


def beside(
    context: StageContext, ours: Sequence[EvaluationRecord], theirs: Sequence[EvaluationRecord], *benchmarks: str
) -> ReferenceScores:
    """What stands beside our rows, once theirs are an artifact."""
    metrics = {"AI2D/score": 100 * fmean(row.score for row in theirs)}
    write_evaluation(context.base_dir / "other", theirs, metrics=metrics)
    whole = suite("mine", *(benchmarks or ("AI2D",)))
    reference = read_reference(context, named("other"), whole)
    assert reference is not None
    return compared(reference, whole, scores_of(ours), ours, {}, 0.95)


def test_the_paper_holds_means_and_nothing_else(context: StageContext) -> None:
    row = read_reference(context, named("paper:qwen7b:ril"), suite("14bench", "AI2D"))
    assert row is not None
    assert (row.scores.name, row.scores.mean, row.scores.scores) == ("paper", 76.22, {})
    assert "means over the 14 benchmarks" in row.scores.notes[0]
    assert read_reference(context, EvalConfig(), suite("14bench", "AI2D")) is None


def test_an_unknown_row_and_another_suite_are_refused(context: StageContext) -> None:
    with pytest.raises(UsageError, match="did you mean `paper:qwen7b:ril`"):
        read_reference(context, named("paper:qwen7b:rli"), suite("14bench", "AI2D"))
    with pytest.raises(UsageError, match="of suite `14bench`, not `digits`"):
        read_reference(context, named("paper:qwen7b:ril"), suite("digits", "Digits"))
    write_evaluation(context.base_dir / "other", metrics={"Digits/score": 1.0})
    with pytest.raises(UsageError, match="has no score of AI2D, MMMU"):
        read_reference(context, named("other"), suite("14bench", "AI2D", "MMMU"))
    with pytest.raises(ArtifactError):
        read_reference(context, named("nothing"), suite("14bench", "AI2D"))


def test_another_evaluation_and_where_its_settings_differ(context: StageContext) -> None:
    scored_with: dict[str, str] = {"lmms-eval": "0.7.3", "ai2d.sampling": "16", "ai2d.data": "here"}
    write_evaluation(
        context.base_dir / "other", metrics={"AI2D/score": 81.0, "score": 60.5}, scored_with={**scored_with}
    )
    whole = suite("14bench", "AI2D", "MMMU")
    reference = read_reference(context, named("other"), whole)
    assert reference is not None
    nothing = SuiteScores(())
    same = compared(reference, whole, nothing, [], {**scored_with, "ai2d.data": "there"}, 0.95)
    assert (same.mean, same.scores, len(same.notes)) == (60.5, {"AI2D": 81.0}, 1)
    changed = compared(reference, whole, nothing, [], {**scored_with, "ai2d.sampling": "32"}, 0.95)
    assert "another ai2d.sampling" in changed.notes[1]


def test_right_or_wrong_gets_the_paired_interval(context: StageContext) -> None:
    ours, theirs = [1.0, 1.0, 0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    found = beside(context, records("ai2d", ours), records("ai2d", theirs)).differences["AI2D"]
    expected = paired_difference([x == 1 for x in ours], [x == 1 for x in theirs])
    assert (found.estimate, found.num_questions) == (pytest.approx(100 / 6), 6)
    assert (found.low, found.high) == (pytest.approx(100 * expected.low), pytest.approx(100 * expected.high))


def test_grades_get_students_interval_of_their_differences(context: StageContext) -> None:
    found = beside(context, records("ai2d", [1, 0.5, 0.2]), records("ai2d", [0.5, 0.5, 0.1])).differences["AI2D"]
    expected = mean_interval([0.5, 0.0, 0.1])
    assert (found.estimate, found.low) == (pytest.approx(20.0), pytest.approx(100 * expected.low))


def test_only_questions_that_both_have_and_that_read_the_same_are_paired(context: StageContext) -> None:
    theirs = records("ai2d", [0, 0, 0, 1], start=2)
    theirs[0] = theirs[0].model_copy(update={"question": "another"})
    found = beside(context, records("ai2d", [1, 1, 1, 1, 0]), theirs).differences["AI2D"]
    assert (found.estimate, found.num_questions) == (50.0, 2)


def test_without_a_common_question_there_is_no_interval_and_the_note_says_so(context: StageContext) -> None:
    found = beside(context, records("ai2d", [1.0]), records("ai2d", [0.0], start=1))
    assert found.differences == {}
    assert found.notes[-1] == "no question of AI2D can be paired with the reference's: no interval"


def test_a_score_that_is_no_mean_of_its_questions_has_no_paired_difference(context: StageContext) -> None:
    write_evaluation(context.base_dir / "other", records("ai2d", [1.0, 0.0]), metrics={"AI2D/score": 40.0})
    whole = suite("mine", "AI2D")
    reference = read_reference(context, named("other"), whole)
    assert reference is not None
    ours = records("ai2d", [1.0, 1.0])
    assert compared(reference, whole, scores_of(ours), ours, {}, 0.95).differences == {}


@pytest.mark.parametrize("what", ["metric", "rows", "added"])
def test_an_evaluation_that_was_changed_is_no_reference(context: StageContext, tmp_path: Path, what: str) -> None:
    path = write_evaluation(tmp_path / "other", metrics={"AI2D/score": 26.7})
    manifest, shard = (path / name for name in ("manifest.json", "rows-00000-of-00001.parquet"))
    if what == "metric":
        manifest.write_text(manifest.read_text().replace("26.7", "66.7"))
    elif what == "rows":
        shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    else:
        shard.with_name("rows-00001-of-00002.parquet").write_bytes(shard.read_bytes())
    with pytest.raises(ArtifactError, match="was changed since|not in the manifest"):
        read_reference(context, named("other"), suite("14bench", "AI2D"))
