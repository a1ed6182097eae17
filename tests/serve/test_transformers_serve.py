"""A real server beside the scripted one: `transformers serve` with a small vision-language model, on the CPU."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.config.endpoints import EndpointConfig
from rilctl.engines.generation.openai import open_endpoint
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.families import build_family
from rilctl.testing.generation_contract import CHECKS, EngineUnderTest
from rilctl.testing.serving import TransformersServer

NUM_QUESTIONS, NUM_RESPONSES = 6, 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformersServer]:
    folder = tmp_path_factory.mktemp("serve")
    model = build_family(folder / "model", "llava")  # one whose pictures need no torchvision
    running = TransformersServer(model, folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def workspace(tmp_path: Path, server: TransformersServer) -> Path:
    from PIL import Image

    lines = []
    for index in range(NUM_QUESTIONS):
        Image.new("RGB", (56, 56), (index * 40, 90, 120)).save(tmp_path / f"{index}.png")
        row = {"id": f"q{index}", "question": f"what is {index} plus 1?", "answer": str(index + 1)}
        lines.append(json.dumps(row | {"image": f"{index}.png"}))
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    (tmp_path / "recipe.toml").write_text(f"""\
[data]
type = "jsonl"
path = "questions.jsonl"
columns = {{ images = "image" }}

[teachers.served]
model = "{server.model}"
endpoint = {{ url = "{server.url}", max_concurrency = 2, max_retries = 2 }}

[cache-teacher]
num_responses = {NUM_RESPONSES}
check_sight = false # random weights can't read
sampling = {{ max_new_tokens = 8 }}
""")
    return tmp_path


def rilctl(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rilctl", *arguments]
    return subprocess.run(command, cwd=workspace, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_passes_what_every_generation_engine_passes(
    server: TransformersServer, check: Callable[[EngineUnderTest], None]
) -> None:
    endpoint = EndpointConfig(url=server.url, max_concurrency=2)
    with closing(open_endpoint(str(server.model), endpoint, Path())) as engine:
        check(EngineUnderTest(engine, is_seeded=False))  # requests at the same time share torch's seed there


def test_it_is_a_teacher_that_sees_pictures_and_is_asked_once(workspace: Path) -> None:
    outcome = rilctl(workspace, "cache-teacher", "recipe.toml")
    assert outcome.returncode == 0, outcome.stderr
    assert f"{NUM_QUESTIONS * NUM_RESPONSES} answers" in outcome.stderr
    rows = list(read_rows(workspace / "runs/recipe/cache-teacher", ResponseRecord))
    assert len(rows) == NUM_QUESTIONS * NUM_RESPONSES and all(row.token_ids is None for row in rows)
    metrics = read_manifest(workspace / "runs/recipe/cache-teacher").metrics
    assert metrics["input_tokens/served"] > NUM_QUESTIONS * NUM_RESPONSES * 10
    again = rilctl(workspace, "cache-teacher", "recipe.toml", "--out", "again")
    assert again.returncode == 0 and "calls" not in again.stderr


def test_a_server_that_is_killed_loses_nothing_that_was_answered(workspace: Path, server: TransformersServer) -> None:
    first = rilctl(workspace, "cache-teacher", "recipe.toml", "--num-responses", "1", "--out", "first")
    assert first.returncode == 0, first.stderr
    server.stop(signal.SIGKILL)
    try:
        down = rilctl(workspace, "cache-teacher", "recipe.toml", "--set", "teachers.served.endpoint.start_timeout_s=2")
        assert down.returncode == 1 and "the endpoint is down" in down.stderr
    finally:
        server.start()
    outcome = rilctl(workspace, "cache-teacher", "recipe.toml")
    assert outcome.returncode == 0, outcome.stderr
    assert f"{NUM_QUESTIONS} calls, {NUM_QUESTIONS} answers" in outcome.stderr


def test_a_judge_that_can_t_read_is_found_out_by_its_canaries(workspace: Path, server: TransformersServer) -> None:
    (workspace / "judge.toml").write_text(f"""\
[judge]
type = "llm"
model = "{server.model}"
endpoint = {{ url = "{server.url}", max_concurrency = 2 }}
max_new_tokens = 4
num_retries = 0
""")
    (workspace / "answers.jsonl").write_text('{"question": "how many?", "answer": "5", "text": "five"}')
    command = f"{sys.executable} -m rilctl judge - judge.toml --out judged < answers.jsonl"
    outcome = subprocess.run(command, shell=True, cwd=workspace, capture_output=True, text=True, timeout=280)
    assert outcome.returncode == 1
    assert re.search("no verdict on any (wrong|right) canary", outcome.stderr), outcome.stderr


def test_an_unknown_model_is_said_so(workspace: Path) -> None:
    outcome = rilctl(workspace, "cache-teacher", "recipe.toml", "--set", "teachers.served.model=no/such-model")
    assert outcome.returncode in (1, 3, 5) and "no/such-model" in outcome.stderr
