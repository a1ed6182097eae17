"""The verb itself: endpoints as student and judge, kill -9, failures, shards, the table."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, read_rejected, read_rows
from rilctl.config.recipe import Recipe
from rilctl.errors import DataError
from rilctl.reporting.progress import SilentReporter
from rilctl.schemas.manifest import ArtifactSummary
from rilctl.schemas.records import EvaluationRecord
from rilctl.stages.eval import run as eval_stage
from rilctl.stages.shared.context import StageContext

from .judge_server import chat_server
from .test_known_scores import BENCHMARKS, Mirror


def context(folder: Path, mirror: Mirror, student: str, judge: str | None = None, **keys: object) -> StageContext:
    judge_table = {"type": "llm", "model": "judge", "endpoint": {"url": judge, **FAST}} if judge else {"type": "rule"}
    table = {"student": "student", "suite": "14bench", "data_dir": str(mirror[0]), "endpoint": {"url": student}, **keys}
    return StageContext(
        recipe=Recipe.model_validate_json(json.dumps({"eval": table, "judge": judge_table})),
        recipe_name="demo",
        base_dir=folder,
        out=folder / "out",
        reporter=SilentReporter(),
        resume_command="rilctl eval",
    )


FAST = {"max_concurrency": 4, "max_retries": 8}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
JUDGED = ["MathVista", "MMBench", "MMBench-CN", "MM-Vet", "MM-Vet-v2"]


def command(mirror: Mirror, url: str, tasks: str) -> list[str]:
    """As a person types it."""
    endpoint = ["--set", f"eval.endpoint.url={url}", "--set", "eval.endpoint.max_concurrency=1"]
    arguments = ["eval", "student", "--suite", "14bench", "--tasks", tasks, "--data-dir", str(mirror[0])]
    return [sys.executable, "-m", "rilctl", *arguments, *endpoint, "--out", "out", "--json"]


def answers(prompt: str) -> str:
    """Something that every judge has to look at."""
    return "x is -1 and -5" if "equation" in prompt else "the answer is 7 blu-e"


def of_rows(answered: Mapping[str, int]) -> dict[str, int]:
    """The judge's calls that are no canaries."""
    return {prompt: num for prompt, num in answered.items() if "blu-e" in prompt}


def scores(evaluation: ArtifactSummary) -> dict[str, float]:
    return {row.sample_id: row.score for row in read_rows(Path(evaluation.path), EvaluationRecord)}


def test_a_judge_that_fails_three_calls_of_ten_changes_no_verdict(mirror: Mirror, tmp_path: Path) -> None:
    with chat_server(answers) as student, chat_server() as steady, chat_server(failure_share=0.3) as shaky:
        right = eval_stage.run(context(tmp_path / "steady", mirror, student.url, steady.url, tasks=JUDGED))
        same = eval_stage.run(context(tmp_path / "shaky", mirror, student.url, shaky.url, tasks=JUDGED))
    assert shaky.num_failed > 3
    assert same.num_rejected == right.num_rejected == 0
    assert scores(same.outputs["evaluation"]) == scores(right.outputs["evaluation"])
    assert same.outputs["evaluation"].content_digest == right.outputs["evaluation"].content_digest
    assert 0 < sum(scores(same.outputs["evaluation"]).values()) < len(scores(same.outputs["evaluation"]))
    assert of_rows(shaky.answered) == of_rows(steady.answered) != {}
    assert set(of_rows(shaky.answered).values()) == {1}


def test_without_patience_questions_have_no_score_and_the_next_run_asks_for_them_alone(
    mirror: Mirror, tmp_path: Path
) -> None:
    tasks = ["MM-Vet", "MM-Vet-v2", "MathVista"]
    with chat_server(answers) as student, chat_server() as steady, chat_server(failure_share=0.5) as shaky:
        right = eval_stage.run(context(tmp_path / "steady", mirror, student.url, steady.url, tasks=tasks))
        impatient = context(tmp_path / "shaky", mirror, student.url, shaky.url, tasks=tasks)
        judge = {
            "type": "llm",
            "model": "judge",
            "max_no_verdicts": 1.0,
            "endpoint": {"url": shaky.url, "max_retries": 0, "max_concurrency": 1},
        }
        recipe = {**impatient.recipe.model_dump(mode="json"), "judge": judge}
        impatient = StageContext(**{**vars(impatient), "recipe": Recipe.model_validate_json(json.dumps(recipe))})
        some = eval_stage.run(impatient)
        assert some.num_rejected > 0
        known, found = scores(right.outputs["evaluation"]), scores(some.outputs["evaluation"])
        assert found == {sample_id: score for sample_id, score in known.items() if sample_id in found}
        rejected = read_rejected(Path(some.outputs["evaluation"].path))
        assert len(found) + len(rejected) == len(known)
        assert {row.reason for row in rejected} <= {
            "endpoint-error",
            "reply-no-choices",
            "reply-truncated",
            "reply-not-json",
        }
        shaky.failure_share = 0.0
        again = eval_stage.run(StageContext(**{**vars(impatient), "out": tmp_path / "again"}))
    assert scores(again.outputs["evaluation"]) == known
    assert set(of_rows(shaky.answered).values()) == {1}


def test_a_kill_loses_no_answer(mirror: Mirror, tmp_path: Path) -> None:
    tasks = "AI2D,ChartQA,RealWorldQA"
    with chat_server(lambda prompt: "A", stalls_after=7) as server:
        arguments = command(mirror, server.url, tasks)
        process = subprocess.Popen(arguments, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        assert server.is_stalled.wait(400)
        process.send_signal(signal.SIGKILL)
        process.wait()
        first = dict(server.answered)
        assert sum(first.values()) == 7
        server.stalls_after = None
        finished = subprocess.run(arguments, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, timeout=400)
        assert finished.returncode == 0, finished.stderr.decode()
        asked = dict(server.answered)
    assert len(asked) == 14 and set(asked.values()) == {1}
    with chat_server(lambda prompt: "A") as server:
        whole = eval_stage.run(context(tmp_path / "whole", mirror, server.url, tasks=tasks.split(",")))
    report = json.loads(finished.stdout)
    assert report["outputs"]["evaluation"]["content_digest"] == whole.outputs["evaluation"].content_digest


def test_shards_are_processes_at_the_same_time_and_the_whole_asks_nothing(mirror: Mirror, tmp_path: Path) -> None:
    tasks = "AI2D,ChartQA,MMStar"
    with chat_server(lambda prompt: "A") as server:
        whole = command(mirror, server.url, tasks)
        shards = [
            subprocess.Popen([*whole, "--shard", shard], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE)
            for shard in ("0/2", "1/2")
        ]
        for process in shards:
            said = process.communicate(timeout=600)[1]
            assert process.returncode == 0, said.decode()
        asked = dict(server.answered)
        assert len(asked) == 14 and set(asked.values()) == {1}
        result = eval_stage.run(context(tmp_path, mirror, server.url, tasks=tasks.split(",")))
        assert dict(server.answered) == asked
    assert result.outputs["evaluation"].rows == 14


def test_all_fourteen_give_the_papers_mean_a_place(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(SilentReporter, "say", lambda self, message: said.append(message))
    with chat_server(answers) as student, chat_server() as judge:
        whole = context(tmp_path, mirror, student.url, judge.url, reference="paper:qwen3b:base")
        result = eval_stage.run(whole)
        assert eval_stage.run(whole).up_to_date
    assert list(result.summary) == ["mean"]
    metrics = read_manifest(Path(result.outputs["evaluation"].path)).metrics
    assert metrics["score"] == pytest.approx(sum(metrics[f"{name}/score"] for name in BENCHMARKS) / 14)
    tables = [text for text in said if text.startswith("benchmark")]
    assert len(tables) == 2 and tables[0] == tables[1]
    assert [line.split("  ")[0] for line in tables[0].splitlines()[1:-1]] == list(BENCHMARKS)
    assert "64.0" in tables[0].splitlines()[-1] or "64.1" in tables[0].splitlines()[-1]
    assert any("lmms-eval 0.7.3" in text and "judge judge at 127.0.0.1" in text for text in said)


def test_a_mirror_that_lacks_something_is_refused_before_anything_is_asked(mirror: Mirror, tmp_path: Path) -> None:
    with chat_server(lambda prompt: "A") as server:
        lacking = context(tmp_path, mirror, server.url, tasks=["AI2D"], data_dir=str(tmp_path))
        with pytest.raises(DataError, match="1 of 1 splits can't be read:\n  lmms-lab-encoder/ai2d"):
            eval_stage.run(lacking)
    assert not server.answered


def test_other_pictures_are_asked_and_scored_like_the_right_ones(mirror: Mirror, tmp_path: Path) -> None:
    with chat_server(lambda prompt: "A") as server:
        result = eval_stage.run(context(tmp_path, mirror, server.url, tasks=["AI2D"], picture=["swapped", "none"]))
    rows = list(read_rows(Path(result.outputs["evaluation"].path), EvaluationRecord))
    own, swapped, alone = (
        {row.sample_id: row.score for row in rows if row.picture == picture} for picture in (None, "swapped", "none")
    )
    assert own and own == swapped == alone  # who always says A doesn't look
    metrics = read_manifest(Path(result.outputs["evaluation"].path)).metrics
    assert metrics["AI2D/swapped/gap"] == metrics["AI2D/none/gap"] == 0
    assert metrics["AI2D/swapped/num_in_both"] == len(own)
    assert result.num_rejected == 0
