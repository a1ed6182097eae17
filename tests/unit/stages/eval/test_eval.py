import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rilctl.algorithms.statistics import wilson_interval
from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.artifacts.runs import open_run
from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.config.recipe import Recipe
from rilctl.engines.generation.base import GenerationRequest
from rilctl.errors import ArtifactError, DataError, InterruptedByUser, RowError, UsageError
from rilctl.planning.plan import Section, plan_object
from rilctl.quickstart.world import make_rows
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import EvaluationRecord, ResponseRecord
from rilctl.stages.eval import run as eval_stage
from rilctl.stages.eval.plan import plan
from rilctl.stages.shared.context import StageContext, StopFlag
from rilctl.testing.scripted import ScriptedGeneration
from rilctl.testing.small_vlms import build_small_vlm

ANSWERS = {row.id: row.answer for row in make_rows("test", 0, 1000)}

STUDENT: dict[str, ArtifactKind] = {"student": "student"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small_vlm(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedGeneration:
    return use(monkeypatch, right_on_even_rows)


def use(monkeypatch: pytest.MonkeyPatch, script: Callable[[GenerationRequest, int], str]) -> ScriptedGeneration:
    """Put a scripted engine where the stage loads one."""
    scripted = ScriptedGeneration(script)

    def load(config: ModelConfig, engine: HfEngineConfig, base_dir: Path, **_: object) -> ScriptedGeneration:
        return scripted

    monkeypatch.setattr(eval_stage, "open_generation", load)
    return scripted


def right_on_even_rows(request: GenerationRequest, seed: int) -> str:
    right = int(request.sample_id[-6:]) % 2 == 0
    return f"answer {ANSWERS[request.sample_id]}" if right else "no idea"


def context(
    folder: Path, model: Path | None, *, tables: dict[str, object] | None = None, **keys: object
) -> StageContext:
    table: dict[str, object] = {"limit": 40, "engine": {"type": "hf", "rows_per_batch": 16}, **keys}
    student = {"student": str(model)} if model is not None else {}
    return StageContext(
        recipe=Recipe.model_validate_json(json.dumps({"eval": {**student, **table}, **(tables or {})})),
        recipe_name="demo",
        base_dir=folder,
        out=folder / "out",
        reporter=SilentReporter(),
        resume_command="rilctl eval",
    )


def test_every_question_has_its_response_score_and_place_in_the_accuracy(
    tmp_path: Path, model: Path, engine: ScriptedGeneration
) -> None:
    result = eval_stage.run(context(tmp_path, model))
    records = list(read_rows(tmp_path / "out" / "evaluation", EvaluationRecord))
    responses = list(read_rows(tmp_path / "out" / "responses", ResponseRecord))
    assert [record.score for record in records] == [1.0, 0.0] * 20
    assert [record.text for record in records] == [response.text for response in responses]
    assert {(response.source, response.side) for response in responses} == {("student", "student")}
    metrics = read_manifest(tmp_path / "out" / "evaluation").metrics
    assert metrics == pytest.approx(
        {
            "Digits/score": 50.0,
            "Digits/score_low": 35.1995,
            "Digits/score_high": 64.8005,
            "Digits/num_questions": 40.0,
            "Digits/num_rejected": 0.0,
            "Digits/guessed_share": 0.0,
        },
        abs=1e-4,
    )
    assert result.summary == {"Digits": 50.0}
    table = (tmp_path / "out" / "evaluation" / "table.md").read_text()
    assert "| Digits | mean of 1 |" in table and "prompt ends" in table
    assert list(result.outputs) == ["evaluation", "responses"]


def test_what_changes_scores_is_recorded(tmp_path: Path, model: Path, engine: ScriptedGeneration) -> None:
    eval_stage.run(context(tmp_path, model))
    manifest = read_manifest(tmp_path / "out" / "evaluation")
    scored_with = manifest.config["scored_with"]
    assert isinstance(scored_with, dict)
    assert scored_with["digits.num_questions"] == "40"
    assert json.loads(str(scored_with["digits.sampling"]))["max_new_tokens"] == 32
    assert [entry.role for entry in manifest.inputs] == ["student", "suite"]
    assert "transformers" in manifest.versions


def test_the_second_run_finds_nothing_to_do_and_another_limit_asks_only_for_more(
    tmp_path: Path, model: Path, engine: ScriptedGeneration
) -> None:
    eval_stage.run(context(tmp_path, model))
    assert eval_stage.run(context(tmp_path, model)).up_to_date
    assert len(engine.asked) == 40
    with pytest.raises(UsageError, match="limit"):
        eval_stage.run(context(tmp_path, model, limit=50))
    more = context(tmp_path, model, limit=50)
    eval_stage.run(StageContext(**{**vars(more), "out": tmp_path / "more"}))
    assert len(engine.asked) == 50


def test_an_interrupted_evaluation_keeps_its_answers(tmp_path: Path, model: Path, engine: ScriptedGeneration) -> None:
    whole = context(tmp_path, model)
    with pytest.raises(InterruptedByUser):
        eval_stage.run(StageContext(**{**vars(whole), "stop": StopFlag(15)}))
    assert len(engine.asked) == engine.rows_at_once == 32
    eval_stage.run(whole)
    assert len(engine.asked) == 40


def test_shards_fill_the_call_cache_and_the_whole_finds_it_full(
    tmp_path: Path, model: Path, engine: ScriptedGeneration
) -> None:
    for shard in ("0/3", "1/3", "2/3"):
        plan = planned(context(tmp_path, model, shard=shard))
        before = len(engine.asked)
        result = eval_stage.run(context(tmp_path, model, shard=shard))
        assert list(result.outputs) == ["responses"]
        assert Path(result.outputs["responses"].path).parent.name == f"out-shard-{shard[0]}-of-3"
        assert plan["output"]["directory"] == str(Path(result.outputs["responses"].path).parent)
        assert plan["questions"]["Digits"] == len(engine.asked) - before == (14 if shard == "0/3" else 13)
    assert eval_stage.run(context(tmp_path, model, shard="2/3")).up_to_date
    assert len({request.sample_id for request in engine.asked}) == len(engine.asked) == 40
    assert eval_stage.run(context(tmp_path, model)).outputs["evaluation"].rows == 40
    assert len(engine.asked) == 40


def test_a_shard_of_an_edited_task_or_another_precision_is_not_up_to_date(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda request, seed: request.question)
    write_echo_task(tmp_path, "pets", num_right=1)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\n[[benchmarks]]\nname = "Pets"\ntasks = ["pets"]\ndataset = "own"\nsplit = "test"\n'
        'metric = "match"\n'
    )
    asked = context(tmp_path, model, suite="mine.toml", shard="0/2")
    eval_stage.run(asked)
    assert eval_stage.run(asked).up_to_date
    half = {"student": {"model": str(model), "dtype": "bfloat16"}}
    with pytest.raises(UsageError, match="dtype"):
        eval_stage.run(context(tmp_path, None, tables=half, suite="mine.toml", shard="0/2"))
    task = tmp_path / "pets.yaml"
    task.write_text(task.read_text().replace("max_new_tokens: 8", "max_new_tokens: 9"))
    with pytest.raises(UsageError, match="scored_with"):
        eval_stage.run(asked)


def test_a_reference_stands_beside_the_table_also_when_nothing_is_left_to_do(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "say", lambda self, message: said.append(message))
    use(monkeypatch, right_on_even_rows)
    eval_stage.run(context(tmp_path, model))
    said.clear()
    again = eval_stage.run(context(tmp_path, model, reference="out"))
    assert again.up_to_date
    assert any(
        "Digits" in line and line.endswith("-4.7 to +4.7       40") for text in said for line in text.splitlines()
    )
    assert (again.figures["Digits/difference"], again.figures["Digits/num_in_both"]) == (0.0, 40.0)


def test_a_reference_is_checked_before_anything_is_asked(
    tmp_path: Path, model: Path, engine: ScriptedGeneration
) -> None:
    with pytest.raises(ArtifactError, match="no evaluation at"):
        eval_stage.run(context(tmp_path, model, reference="elsewhere"))
    with pytest.raises(UsageError, match="of suite `14bench`"):
        eval_stage.run(context(tmp_path, model, reference="paper:qwen7b:ril"))
    with pytest.raises(ArtifactError, match="no evaluation at"):
        plan(context(tmp_path, model, reference="elsewhere"))
    assert engine.asked == []
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_cannot_be_asked_is_rejected(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(request: GenerationRequest, seed: int) -> str:
        if request.sample_id.endswith("000003"):
            raise RowError("image-truncated", "scripted")
        return right_on_even_rows(request, seed)

    use(monkeypatch, fails_once)
    result = eval_stage.run(context(tmp_path, model))
    assert result.num_rejected == 1
    assert result.outputs["evaluation"].rows == result.outputs["responses"].rows == 39


def test_a_real_model_answers_through_the_same_code(tmp_path: Path, model: Path) -> None:
    result = eval_stage.run(context(tmp_path, model, limit=4))
    assert result.outputs["evaluation"].rows == 4 == planned(context(tmp_path, model, limit=4))["questions"]["Digits"]
    assert eval_stage.run(context(tmp_path, model, limit=4)).up_to_date


def planned(surroundings: StageContext) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = plan_object(plan(surroundings))["plan"]
    return found


def test_the_most_trained_student_of_the_recipe_is_taken(
    tmp_path: Path, model: Path, engine: ScriptedGeneration
) -> None:
    tables: dict[str, object] = {"student": {"model": str(model)}}
    assert planned(context(tmp_path, None, tables=tables))["work"]["student"] == str(model)
    (work, *_) = plan(context(tmp_path, None, tables=tables | {"train": {}})).sections
    assert isinstance(work, Section)
    assert "train, not there yet" in str(work.facts[0].value)
    assert work.facts[0].note == f"until then `eval` takes {model}"
    eval_stage.run(replace(context(tmp_path, None, tables=tables | {"train": {}}), out=tmp_path / "untrained"))
    student = read_manifest(tmp_path / "untrained" / "evaluation").inputs[0]
    assert student.name == str(model)
    for verb, seed in (("sft", 1), ("train", 2)):
        write_student(tmp_path / "runs" / "demo" / verb, seed)
        assert f"({verb})" in planned(context(tmp_path, None, tables=tables))["work"]["student"]
    eval_stage.run(context(tmp_path, None, tables=tables))
    student = read_manifest(tmp_path / "out" / "evaluation").inputs[0]
    assert student.kind == "artifact"
    assert student.name == str(tmp_path / "runs" / "demo" / "train" / "student")


def test_of_a_training_the_student_of_the_best_validation_is_taken(
    tmp_path: Path, model: Path, engine: ScriptedGeneration, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "say", lambda self, message: said.append(message))
    tables: dict[str, object] = {"student": {"model": str(model)}}
    train = tmp_path / "runs" / "demo" / "train"
    write_student(train, 2, best={"validation/accuracy": 0.75, "step": 20.0})
    assert planned(context(tmp_path, None, tables=tables))["work"]["student"] == f"{train / 'best-student'} (train)"
    eval_stage.run(context(tmp_path, None, tables=tables))
    assert read_manifest(tmp_path / "out" / "evaluation").inputs[0].name == str(train / "best-student")
    which = f"the student of the best validation (validation 75.0% at step 20): {train / 'best-student'}"
    assert f"{which}; the last one is {train / 'student'}" in said
    shutil.rmtree(train / "best-student")
    with pytest.raises(ArtifactError, match="best-student"):
        eval_stage.run(context(tmp_path, None, tables=tables))


def test_an_unfinished_training_is_not_passed_over(tmp_path: Path, model: Path) -> None:
    write_student(tmp_path / "runs" / "demo" / "sft", 1)
    with open_run(tmp_path / "runs" / "demo" / "train", verb="train", config={}, semantic={}, inputs=[], roles=STUDENT):
        pass
    with pytest.raises(ArtifactError, match="half-written"):
        eval_stage.run(context(tmp_path, None, tables={"student": {"model": str(model)}}))


def test_a_plan_of_14bench_lists_the_papers_benchmarks_without_a_student_or_extra(tmp_path: Path) -> None:
    plan = planned(context(tmp_path, None, suite="14bench"))
    names = [
        "AI2D", "ChartQA", "MathVista", "MMBench", "MMBench-CN", "MM-Vet", "MM-Vet-v2", "MMMU", "MMMU-Pro", "MMStar",
        "BLINK", "SEED-Bench", "SEED-Bench-2-Plus", "RealWorldQA",
    ]  # fmt: skip
    assert list(plan["questions"]) == [name.replace("-", "_") for name in names]
    known = {name: num for name, num in plan["questions"].items() if num is not None}
    limited = planned(context(tmp_path, None, suite="14bench", limit=10))["questions"]
    assert limited["AI2D"] == 10 and limited["BLINK"] == 14 * 10  # of each task
    assert all(limited[name] <= num for name, num in known.items())
    assert "rilctl[eval]" in plan["work"]["needs"]
    assert list(tmp_path.iterdir()) == []


def test_running_14bench_says_what_is_missing(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, object] = {"lmms_eval": None}
    find_spec = importlib.util.find_spec  # as it is for all others: what is imported here stays

    def find(name: str, package: str | None = None) -> object:
        return found[name] if name in found else find_spec(name, package)

    monkeypatch.setattr("importlib.util.find_spec", find)
    with pytest.raises(UsageError, match="not installed") as caught:
        eval_stage.run(context(tmp_path, model, suite="14bench"))
    assert caught.value.hint is not None and "rilctl[eval]" in caught.value.hint
    found["lmms_eval"] = object()
    with pytest.raises(UsageError, match="MathVista, MMBench, .* need an LLM judge") as caught:
        eval_stage.run(context(tmp_path, model, suite="14bench"))
    assert caught.value.hint is not None and "--tasks AI2D,ChartQA,MMMU" in caught.value.hint
    with pytest.raises(DataError, match="no mirror of data sets at `.*nowhere`: it doesn't exist"):
        eval_stage.run(context(tmp_path, model, suite="14bench", tasks=["ai2d"], data_dir="nowhere"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(DataError, match="2 of 2 splits can't be read:\n  lmms-lab-encoder/ai2d"):
        eval_stage.run(context(tmp_path, model, suite="14bench", tasks=["ai2d", "MMMU"], data_dir="nowhere"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "nowhere"]


def test_a_suite_of_ones_own(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda request, seed: request.question)
    tasks = tmp_path / "suite" / "tasks"
    tasks.mkdir(parents=True)
    for name in ("first", "second"):
        write_echo_task(tasks, name, num_right=1 if name == "first" else 2)
    table = '[[benchmarks]]\nname = "{0}"\ntasks = ["{0}"]\ndataset = "own"\nsplit = "test"\nmetric = "match"\n'
    content = 'name = "mine"\ntasks = "tasks"\n' + table.format("first") + table.format("second")
    (tmp_path / "suite" / "mine.toml").write_text(content)
    result = eval_stage.run(context(tmp_path, model, suite="suite/mine.toml"))
    metrics = read_manifest(tmp_path / "out" / "evaluation").metrics
    assert (metrics["first/score"], metrics["second/score"]) == (50.0, 100.0)
    assert result.summary == {"mean of 2": 75.0}


def test_kinds_of_question_in_the_artifact(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda request, seed: request.question)
    write_echo_task(tmp_path, "pets", num_right=1)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\n[[benchmarks]]\nname = "Pets"\ntasks = ["pets"]\ndataset = "own"\nsplit = "test"\n'
        'metric = "match"\nby = "answer"\n'
    )
    eval_stage.run(context(tmp_path, model, suite="mine.toml"))
    metrics = read_manifest(tmp_path / "out" / "evaluation").metrics
    scores = [metrics[f"Pets/{name}"] for name in ("score", "answer=q0/score", "answer=other/score")]
    assert scores == [50.0, 100.0, 0.0]
    assert metrics["Pets/answer=q0/score_low"] == pytest.approx(100 * wilson_interval(1, 1).low)
    assert [row.part for row in read_rows(tmp_path / "out" / "evaluation", EvaluationRecord)] == ["q0", "other"]
    assert "answer=other" in (tmp_path / "out" / "evaluation" / "table.md").read_text()


def write_echo_task(folder: Path, name: str, num_right: int) -> None:
    """A task whose questions are their own right answers, as many as asked for."""
    rows = [{"question": f"q{row}", "answer": f"q{row}" if row < num_right else "other"} for row in range(2)]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "utils.py").write_text(
        "def visual(doc):\n    return []\n\n\n"
        "def results(doc, results):\n    return {'match': float(results[0] == doc['answer'])}\n"
    )
    (folder / f"{name}.yaml").write_text(
        f"task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {name}.jsonl\n"
        "test_split: test\noutput_type: generate_until\ndoc_to_visual: !function utils.visual\n"
        "doc_to_text: question\ndoc_to_target: answer\ngeneration_kwargs:\n  max_new_tokens: 8\n"
        "process_results: !function utils.results\nmetric_list:\n  - metric: match\n    aggregation: mean\n"
    )


def write_student(path: Path, seed: int, *, best: dict[str, float] | None = None) -> None:
    roles: dict[str, ArtifactKind] = {**STUDENT, **({} if best is None else {"best-student": "student"})}
    with open_run(
        path,
        verb=path.name,
        config={},
        semantic={"seed": seed},
        inputs=[],
        roles=roles,
        optional=roles.keys() - STUDENT.keys(),
    ) as run:
        for role in reversed(roles):
            writer = run.writer("student", role=role)
            build_small_vlm(writer.staging(), seed=seed)
            writer.commit(metrics=best if role == "best-student" and best else {})
