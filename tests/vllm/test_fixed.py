"""One server for all verbs, started with a model whose head is its embedding: `train` changes what it holds."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from rilctl.artifacts.read import read_rows
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.engines.generation.open import open_generation, open_rollouts
from rilctl.errors import EngineError
from rilctl.models.loaded.source import find_model
from rilctl.models.loaded.weights import export_untied
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.reporting.metrics import read_metrics
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.generation_contract import EngineUnderTest

from .conftest import MODEL, Server, load_policy, nudge

SAMPLING = SamplingConfig(max_new_tokens=10, temperature=0.7)
RECIPE = """\
[data]
type = "digits"
num_questions = 12
validation = {{ split = "validation", num_samples = 4 }}

[student]
model = "{model}"

[teachers.qwen]
model = "{model}"

[cache-teacher]
num_responses = 2
sampling = {{ max_new_tokens = 24 }}
engine = {{ type = "vllm-server", url = "{url}" }}

[pretrain-disc]
num_responses = 2
sampling = {{ max_new_tokens = 24 }}
generation = {{ type = "vllm-server", url = "{url}" }}

[train]
num_steps = 3
questions_per_step = 4
num_student_rows = 4
num_teacher_rows = 2
sampling = {{ max_new_tokens = 24 }}
optim = {{ lr = 2e-3 }}
generation = {{ type = "vllm-server", url = "{url}" }}
"""


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(find_model(MODEL, revision=None, base_dir=Path()).path, tmp_path_factory.mktemp("tied") / "log")
    running.start()
    running.wait()
    yield running
    running.kill()


def rilctl(workspace: Path, verb: str, root: str) -> Path:
    command = [sys.executable, "-m", "rilctl", verb, "recipe.toml", "--json", "--set", f"workspace.root={root}"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    outputs = json.loads(done.stdout)["outputs"]
    return Path(outputs["responses" if "responses" in outputs else next(iter(outputs))]["path"])


def responses(workspace: Path, path: Path) -> list[tuple[str, int, str]]:
    return sorted((row.sample_id, row.response_index, row.text) for row in read_rows(workspace / path, ResponseRecord))


def test_teachers_and_student_answer_after_train_as_before(tied: Server, tmp_path: Path):
    (tmp_path / "recipe.toml").write_text(RECIPE.format(model=MODEL, url=tied.url))
    before = [responses(tmp_path, rilctl(tmp_path, verb, "before")) for verb in ("cache-teacher", "pretrain-disc")]
    rilctl(tmp_path, "train", "before")
    metrics = [line for line in read_metrics(tmp_path / "before/recipe/train/metrics.jsonl") if "policy/loss" in line]
    assert len(metrics) == 3
    after = [responses(tmp_path, rilctl(tmp_path, verb, "after")) for verb in ("cache-teacher", "pretrain-disc")]
    assert after == before and len(before[1]) == 24


def test_a_tied_head_is_the_models_own_again(tied: Server):
    """vLLM on a CPU keeps a copy of the head, which a checkpoint without a head doesn't replace."""
    request = EngineUnderTest(None).request(1, range(8))  # type: ignore[arg-type]
    with closing(open_generation(ModelConfig(model=MODEL), tied.engine(), Path(), warn=print)) as engine:
        (expected,) = engine.generate([request], SAMPLING)
    policy = load_policy()
    nudge(policy, seed=1, size=0.5)
    with closing(open_rollouts(policy, KeptPrompts(policy), tied.engine(), Path(), warn=print)) as rollouts:
        rollouts.update(1)
        (trained,) = rollouts.generate([request], SAMPLING)
    with closing(open_generation(ModelConfig(model=MODEL), tied.engine(), Path(), warn=print)) as engine:
        (found,) = engine.generate([request], SAMPLING)
    assert isinstance(expected, tuple) and isinstance(found, tuple) and isinstance(trained, tuple)
    assert [row.token_ids for row in found] == [row.token_ids for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.sampling_logprobs == pytest.approx(theirs.sampling_logprobs, abs=1e-5)
    assert [row.token_ids for row in trained] != [row.token_ids for row in expected]


def test_a_server_of_another_model_is_refused(tied: Server, tmp_path: Path):
    policy = load_policy()
    nudge(policy, seed=2)
    export_untied(policy, tmp_path, torch.float32)
    asked = ModelConfig(model=str(tmp_path))
    with (
        closing(open_generation(asked, tied.engine(), Path(), warn=print)) as engine,
        pytest.raises(EngineError, match="was started with other weights than"),
    ):
        engine.generate([EngineUnderTest(None).request(1, (1,))], SAMPLING)  # type: ignore[arg-type]


def test_a_server_that_was_started_again_meanwhile_is_proven_again(tied: Server):
    request = EngineUnderTest(None).request(1, range(4))  # type: ignore[arg-type]
    with closing(open_generation(ModelConfig(model=MODEL), tied.engine(), Path(), warn=print)) as engine:
        (expected,) = engine.generate([request], SAMPLING)
        tied.kill()
        tied.start()
        (found,) = engine.generate([request], SAMPLING)
    assert isinstance(expected, tuple) and isinstance(found, tuple)
    assert [row.token_ids for row in found] == [row.token_ids for row in expected]
