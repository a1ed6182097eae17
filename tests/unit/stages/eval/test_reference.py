from pathlib import Path

import pytest

from rilctl.artifacts.runs import open_run
from rilctl.config.recipe import Recipe
from rilctl.errors import ArtifactError, UsageError
from rilctl.reporting.progress import SilentReporter
from rilctl.stages.eval.reference import read_reference
from rilctl.stages.shared.context import StageContext


@pytest.fixture
def context(tmp_path: Path) -> StageContext:
    return StageContext(Recipe(), "demo", tmp_path, tmp_path / "out", SilentReporter(), "rilctl eval")


def test_the_paper_holds_means_and_nothing_else(context: StageContext) -> None:
    row = read_reference(context, "paper:qwen7b:ril", "14bench", ["AI2D"], {})
    assert (row.name, row.mean, row.scores) == ("paper", 76.22, {})
    assert "means over the 14 benchmarks" in row.notes[0]


def test_an_unknown_row_and_another_suite_are_refused(context: StageContext) -> None:
    with pytest.raises(UsageError, match="did you mean `paper:qwen7b:ril`"):
        read_reference(context, "paper:qwen7b:rli", "14bench", [], {})
    with pytest.raises(UsageError, match="of suite `14bench`, not `digits`"):
        read_reference(context, "paper:qwen7b:ril", "digits", [], {})


def test_another_evaluation_and_where_its_settings_differ(context: StageContext, tmp_path: Path) -> None:
    scored_with = {"lmms-eval": "0.7.3", "ai2d.sampling": "16", "ai2d.data": "here"}
    with open_run(
        tmp_path / "other",
        verb="eval",
        config={"scored_with": {**scored_with}},
        semantic={},
        inputs=[],
        roles={"evaluation": "evaluation"},
    ) as run:
        run.writer("evaluation", role="evaluation").commit(metrics={"AI2D/score": 81.0, "score": 60.5})
    same = read_reference(context, "other", "14bench", ["AI2D", "MMMU"], {**scored_with, "ai2d.data": "there"})
    assert (same.mean, same.scores, len(same.notes)) == (60.5, {"AI2D": 81.0}, 1)
    changed = read_reference(context, "other", "14bench", ["AI2D"], {**scored_with, "ai2d.sampling": "32"})
    assert "another ai2d.sampling" in changed.notes[1]
    with pytest.raises(ArtifactError):
        read_reference(context, "nothing", "14bench", [], {})


@pytest.mark.parametrize("what", ["metric", "rows", "added"])
def test_an_evaluation_that_was_changed_is_no_reference(context: StageContext, tmp_path: Path, what: str) -> None:
    with open_run(
        tmp_path / "other", verb="eval", config={}, semantic={}, inputs=[], roles={"evaluation": "evaluation"}
    ) as run:
        run.writer("evaluation", role="evaluation").commit(metrics={"AI2D/score": 26.7})
    manifest, shard = (run.path / "evaluation" / name for name in ("manifest.json", "rows-00000-of-00001.parquet"))
    if what == "metric":
        manifest.write_text(manifest.read_text().replace("26.7", "66.7"))
    elif what == "rows":
        shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    else:
        shard.with_name("rows-00001-of-00002.parquet").write_bytes(shard.read_bytes())
    with pytest.raises(ArtifactError, match="was changed since|not in the manifest"):
        read_reference(context, "other", "14bench", ["AI2D"], {})
