"""The Python API: its names, what they cost, and that it is the command line's verbs on the command line's files."""

import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset

import rilctl
from rilctl import api
from rilctl.cli.output import ConsoleReporter
from rilctl.cli.runner import context_maker, read_recipe
from rilctl.errors import ArtifactError, ConfigError
from rilctl.pipeline.run import load_stage
from rilctl.testing.workspaces import write_workspace

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
TABLE = PAGE.read_text(encoding="utf-8").partition("## All names\n")[2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workspace")
    write_workspace(directory, num_questions=6)
    return directory


@pytest.fixture(scope="module")
def cache(workspace: Path) -> rilctl.Artifact:
    recipe = rilctl.load_recipe(workspace / "recipe.toml", base_dir=workspace)
    return rilctl.open_artifact(rilctl.run_stage(recipe, "cache-teacher").outputs["teacher-cache"].path)


def test_every_public_name_is_there_and_on_the_page() -> None:
    assert rilctl.__all__ == api.__all__ == sorted(rilctl.__all__, key=lambda name: (name[0].islower(), name))
    for name in rilctl.__all__:
        assert getattr(rilctl, name) is getattr(api, name)
        assert f"`{name}" in TABLE
    assert set(rilctl.__all__) < set(dir(rilctl))
    with pytest.raises(AttributeError, match="no attribute 'load_recipes'"):
        rilctl.load_recipes  # noqa: B018


def test_importing_it_is_light_and_loading_a_recipe_imports_no_torch() -> None:
    script = """
import sys, rilctl
assert "pydantic" not in sys.modules
rilctl.load_recipe(overrides=["train.num_steps=2"])
print([name for name in ("torch", "transformers", "datasets", "pyarrow", "peft") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_verb_is_found_done_by_the_command_line(
    workspace: Path, cache: rilctl.Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    paths, recipe = read_recipe([Path("recipe.toml")], None, {})
    context = context_maker(paths, recipe, ConsoleReporter(), rilctl.StopFlag())("cache-teacher")
    found = load_stage("cache-teacher").run(context)
    assert found.up_to_date
    assert Path(found.outputs["teacher-cache"].path) == cache.path


def test_rows_and_table_hold_the_same(cache: rilctl.Artifact) -> None:
    rows = [row.model_dump() for row in cache.rows(rilctl.ResponseRecord)]
    assert len(rows) == cache.manifest.num_rows == 20  # two teachers twice; of 6 questions, one is held out
    assert cache.table().to_pylist() == rows
    assert Dataset.from_dict(cache.table().to_pydict()).num_rows == 20
    assert cache.rejected() == []


def test_what_an_artifact_is_not_is_an_error(workspace: Path, cache: rilctl.Artifact) -> None:
    with pytest.raises(ArtifactError, match="holds a teacher-cache, which has no rows of type RolloutRecord"):
        cache.rows(rilctl.RolloutRecord)
    with pytest.raises(ArtifactError, match="holds a teacher-cache, not a student"):
        rilctl.open_artifact(cache.path, "student")
    with pytest.raises(ArtifactError, match=r"is no artifact: it has no manifest\.json"):
        rilctl.open_artifact(workspace)
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl can't be read"):
        rilctl.read_metrics(cache.path)


def test_a_changed_file_is_found_before_its_rows_are_used(cache: rilctl.Artifact) -> None:
    (shard,) = cache.path.glob("rows-*.parquet")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(ArtifactError, match="was changed since it was written"):
            cache.table()
        with pytest.raises(ArtifactError, match="was changed since it was written"):
            next(cache.rows(rilctl.ResponseRecord))
    finally:
        shard.write_bytes(whole)


def test_a_student_has_no_rows(workspace: Path) -> None:
    recipe = rilctl.load_recipe(workspace / "recipe.toml", overrides=["sft.num_steps=1"], base_dir=workspace)
    student = rilctl.open_artifact(rilctl.run_stage(recipe, "sft").outputs["student"].path, "student")
    with pytest.raises(ArtifactError, match="holds a student, which has no rows"):
        student.table()
    assert [row["step"] for row in rilctl.read_metrics(workspace / "runs/recipe/sft")] == [1]


def test_a_plan_writes_nothing(workspace: Path) -> None:
    recipe = rilctl.load_recipe(workspace / "recipe.toml", base_dir=workspace)
    before = sorted(workspace.rglob("*"))
    plan = rilctl.plan_stage(recipe, "sft", out="elsewhere")
    assert plan["verb"] == "sft" and plan["plan"]["output"]["directory"] == str(workspace / "elsewhere")
    assert sorted(workspace.rglob("*")) == before


def test_a_recipe_that_is_off_says_why(workspace: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.num_steps"):
        rilctl.load_recipe(workspace / "recipe.toml", overrides=["train.num_steps=0"])
    assert rilctl.load_recipe().name == "default"
