"""lmms-eval's own command on the same rows, with the same model: the same scores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.open import open_generation
from rilctl.testing.scripted import ScriptedGeneration
from rilctl.testing.small_vlms import build_small_vlm

from .judge_server import ChatServer, chat_server, judge_reply
from .test_known_scores import BENCHMARKS, GIBBERISH, Mirror

MAX_NEW_TOKENS = 6


def command(mirror: Path, judge: ChatServer, out: Path, model_args: str) -> dict[str, dict[str, float | None]]:
    """Results by task, of every task of the suite, from the folder where the mirror's names are paths."""
    tasks = ",".join(task for benchmark in BENCHMARKS.values() for task in benchmark.tasks)
    arguments = ["--model", "answers", "--model_args", model_args, "--tasks", tasks, "--batch_size", "1"]
    arguments += ["--gen_kwargs", f"max_new_tokens={MAX_NEW_TOKENS}", "--output_path", str(out)]
    arguments += ["--process_docs_parallel", "1"]  # with its four threads, what it guesses depends on their order
    finished = subprocess.run(
        [sys.executable, "-m", "lmms_eval", *arguments],
        cwd=mirror,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parent),
            "LMMS_EVAL_PLUGINS": "lmms_plugin",
            "OPENAI_API_KEY": "none",
            "OPENAI_API_URL": judge.url,
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    files = list(out.rglob("*_results.json"))
    assert files, finished.stderr[-3000:]
    results: dict[str, dict[str, float | None]] = json.loads(files[0].read_text())["results"]
    return results


@pytest.mark.parametrize("kind", ["a model", "gibberish"])
def test_scores_are_those_of_lmms_evals_command(mirror: Mirror, tmp_path: Path, kind: str) -> None:
    if kind == "a model":
        model = build_small_vlm(tmp_path / "model")
        arguments = f"model={model}"
        engine = HfEngineConfig(rows_per_batch=4, device="cpu")
        generation: GenerationEngine = open_generation(ModelConfig(model=str(model)), engine, tmp_path)
    else:
        arguments = f"text={GIBBERISH.replace(' ', '+')}"
        generation = ScriptedGeneration(lambda request, seed: GIBBERISH)
    with chat_server() as server:
        theirs = command(mirror[0], server, tmp_path / "out", arguments)
    evaluation = LmmsEvaluation(
        None,
        data_dir=mirror[0],
        judge=ScriptedGeneration(lambda request, seed: judge_reply(request.question)),
    )
    for benchmark in BENCHMARKS.values():
        for task in benchmark.tasks:
            alone = benchmark.model_copy(update={"tasks": (task,), "configs": (), "max_new_tokens": MAX_NEW_TOKENS})
            ours = evaluation.evaluate(alone.model_copy(update={"name": task}), generation, limit=None, seed=0)
            (expected,) = [value for key, value in theirs[task].items() if key.split(",")[0] == benchmark.metric]
            assert ours.rejected == (), task
            assert ours.score == pytest.approx((expected or 0) / benchmark.scale, abs=1e-9), task
