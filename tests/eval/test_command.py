"""lmms-eval's own command on the same rows, with the same model: the same scores."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig
from rilctl.engines.evaluation.lmms.engine import LmmsEvaluation
from rilctl.engines.generation.base import GenerationEngine
from rilctl.engines.generation.open import open_generation
from rilctl.testing.scripted import ScriptedGeneration
from rilctl.testing.small_vlms import build_small_vlm

from .judge_server import chat_server, judge_reply, watched
from .test_known_scores import BENCHMARKS, GIBBERISH, Mirror

MAX_NEW_TOKENS = 6
KINDS = ("a model", "half of the key", "gibberish")
GUESSING = {"mmmu_val", "mmmu_pro_standard", "mmmu_pro_vision", "mmbench_en_dev", "mmbench_cn_dev"}
"""What they draw depends on what was drawn before, so each has a run of its own."""
Results = dict[str, dict[str, float | None]]


def speaking_model(directory: Path) -> Path:
    """A small model with random weights but for this: it says letters and digits, so that some answers are right."""
    build_small_vlm(directory)
    tensors = load_file(directory / "model.safetensors")
    vocabulary = AutoTokenizer.from_pretrained(directory).get_vocab()
    tensors["model.embed_tokens.weight"][[vocabulary[text] for text in "ABCD7"]] *= 20  # tied with its head
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def half_right(mirror: Mirror) -> dict[str, str]:
    """Every second answer from the key, as the command numbers documents."""
    texts = {sample_id: pair[int(sample_id.rpartition("/")[2]) % 2 == 0] for sample_id, pair in mirror[1].items()}
    # It asks about SEED-Bench's one video too, which `seed_image` leaves out.
    return texts | {"seedbench/3": texts["seedbench/2"], "seedbench/2": "A"}


def speaker(kind: str, mirror: Mirror, folder: Path) -> tuple[str, GenerationEngine]:
    """Arguments of the command's model, and the same model as ours."""
    if kind == "a model":
        model = speaking_model(folder / "model")
        engine = HfEngineConfig(rows_per_batch=4, device="cpu")
        return f"model={model}", open_generation(ModelConfig(model=str(model)), engine, folder)
    texts = half_right(mirror) if kind == "half of the key" else dict.fromkeys(half_right(mirror), GIBBERISH)
    (folder / "texts.json").write_text(json.dumps(texts))
    ours = texts | {"seedbench/2": texts["seedbench/3"]}
    return f"file={folder / 'texts.json'}", ScriptedGeneration(lambda request, seed: ours[request.sample_id])


@pytest.fixture(scope="module")
def speakers(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, GenerationEngine]]:
    """By kind, arguments of the command's model, and the same model as ours."""
    return {kind: speaker(kind, mirror, tmp_path_factory.mktemp("speaker")) for kind in KINDS}


@pytest.fixture(scope="module")
def theirs(
    mirror: Mirror, speakers: dict[str, tuple[str, GenerationEngine]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Results]:
    """The command's results by kind and task, from the folder where the mirror's names are paths; one process."""
    out = tmp_path_factory.mktemp("out")
    tasks = [task for benchmark in BENCHMARKS.values() for task in benchmark.tasks]
    apart = [[task for task in tasks if task not in GUESSING], *([task] for task in tasks if task in GUESSING)]
    runs = [
        {"model": "answers", "model_args": speakers[kind][0], "tasks": ",".join(group), "output_path": f"{out}/{kind}"}
        for kind in KINDS
        for group in ([tasks] if kind == "half of the key" else apart)
    ]
    (out / "runs.yaml").write_text(yaml.safe_dump(runs))
    arguments = ["--config", str(out / "runs.yaml"), "--batch_size", "1"]
    arguments += ["--gen_kwargs", f"max_new_tokens={MAX_NEW_TOKENS}"]
    arguments += ["--process_docs_parallel", "1"]  # with its four threads, what it guesses depends on their order
    with chat_server() as judge:
        finished = subprocess.run(
            [sys.executable, "-m", "lmms_eval", *arguments],
            cwd=mirror[0],
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
            timeout=800,
        )
    results = {kind: merged(out / kind) for kind in KINDS}
    assert all(set(tasks) <= set(found) for found in results.values()), finished.stderr[-3000:]
    return results


def merged(out: Path) -> Results:
    results: Results = {}
    for file in out.rglob("*_results.json"):
        if file.parent.name != "submissions":  # MMBench's own
            results |= json.loads(file.read_text())["results"]
    return results


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_lmms_evals_command(
    mirror: Mirror, speakers: dict[str, tuple[str, GenerationEngine]], theirs: dict[str, Results], kind: str
) -> None:
    judge = watched(ScriptedGeneration(lambda request, seed: judge_reply(request.question)))
    evaluation = LmmsEvaluation(None, data_dir=mirror[0], judge=judge)
    num_tokens = MAX_NEW_TOKENS if kind == "a model" else 64  # the others say what they say
    scores: dict[str, float] = {}
    for benchmark in BENCHMARKS.values():
        for task in benchmark.tasks:
            alone = benchmark.model_copy(update={"tasks": (task,), "configs": (), "max_new_tokens": num_tokens})
            ours = evaluation.evaluate(alone.model_copy(update={"name": task}), speakers[kind][1], limit=None, seed=0)
            (expected,) = [v for key, v in theirs[kind][task].items() if key.split(",")[0] == benchmark.metric]
            assert ours.rejected == (), task
            shown = [(record.sample_id, record.text, record.score) for record in ours.records]
            assert ours.score == pytest.approx((expected or 0) / benchmark.scale, abs=1e-9), shown
            scores[task] = ours.score or 0.0
    num_between = sum(0 < score < 1 for score in scores.values())
    assert num_between >= {"a model": 5, "half of the key": len(scores) - 3, "gibberish": 2}[kind], scores
