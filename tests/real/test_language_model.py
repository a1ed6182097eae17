"""A real language model as student, judge and teacher: end and pad are one token, the template speaks first."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from rilctl.artifacts.read import read_manifest, read_rows
from rilctl.schemas.records import ResponseRecord
from rilctl.testing.serving import TransformersServer

from .command import rilctl
from .questions import write_questions
from .smollm2 import greedy_by_transformers


@pytest.fixture(scope="module")
def walked(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which every verb has run."""
    workspace = tmp_path_factory.mktemp("walked")
    write_questions(workspace)
    (workspace / "smollm2").symlink_to(smollm2)
    rilctl(workspace, "run", "recipe.toml")
    return workspace


def test_every_verb_and_the_student_answers_the_same_in_plain_transformers(walked: Path) -> None:
    responses = list(read_rows(walked / "runs/recipe/eval/responses", ResponseRecord))
    student = walked / "runs/recipe/train/best-student"
    texts = greedy_by_transformers(student, [row.question for row in responses], 16)
    assert [row.text for row in responses] == texts
    assert {row.finish_reason for row in responses} <= {"stop", "length"}
    assert read_manifest(student).metrics["validation/accuracy"] >= 0
    tied = AutoModelForCausalLM.from_pretrained(student)
    assert tied.get_input_embeddings().weight is tied.get_output_embeddings().weight


def test_it_ends_its_answers_by_itself_though_end_and_pad_are_one_token(walked: Path) -> None:
    """A trainer that masks pads would never teach the end."""
    rows = list(read_rows(walked / "runs/recipe/cache-teacher", ResponseRecord))
    stopped = [row for row in rows if row.finish_reason == "stop"]
    assert stopped and all(row.token_ids is not None and row.token_ids[-1] == 2 for row in stopped)


JUDGE = '[judge]\ntype = "llm"\nmodel = "smollm2"\nmax_new_tokens = {tokens}\nnum_retries = 0\n'
ROW = json.dumps({"question": "What is the capital of France?", "answer": "Paris", "text": "It is Paris."})


def test_a_judge_this_small_is_refused_by_its_first_canaries(workspace: Path) -> None:
    (workspace / "judge.toml").write_text(JUDGE.format(tokens=32))
    said = rilctl(workspace, "judge", "-", "judge.toml", "--out", "judged", stdin=ROW, code=1)
    assert re.search(r"the judge calls .* canaries|no verdict on .* canar", said)
    assert not (workspace / "judged/manifest.json").exists()


def test_a_signal_ends_it_in_the_middle_of_its_first_batch(workspace: Path) -> None:
    """Which has 2,000 tokens to come for each canary."""
    (workspace / "judge.toml").write_text(JUDGE.format(tokens=2000))
    command = [sys.executable, "-m", "rilctl", "judge", "-", "judge.toml", "--out", "judged"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=workspace, env=os.environ, text=True, **pipes) as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(ROW)
        process.stdin.close()
        assert any("token" in line for line in process.stderr)  # beside the bar
        start_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        heard = next(line for line in process.stderr if line.startswith("error: interrupted by SIGTERM"))
        seconds = time.monotonic() - start_s
        process.stderr.read()
    assert heard and process.returncode == 143
    assert seconds < 5  # a fifth of one here; all of the batch takes minutes


def test_it_teaches_through_transformers_serve(workspace: Path, smollm2: Path) -> None:
    """The server renders the template, system turn and all, as we do."""
    server = TransformersServer(smollm2, workspace)
    server.start()
    try:
        endpoint = f"teachers.itself={{model = '{smollm2}', endpoint = {{url = '{server.url}', max_concurrency = 1}}}}"
        greedy = ("--set", "cache-teacher.sampling.temperature=0", "--set", "cache-teacher.num_responses=1")
        rilctl(workspace, "cache-teacher", "recipe.toml", "--out", "served", *greedy, "--set", endpoint)
    finally:
        server.stop()
    rilctl(workspace, "cache-teacher", "recipe.toml", "--out", "loaded", *greedy)
    served, loaded = (
        {row.sample_id: row.text for row in read_rows(workspace / out, ResponseRecord)} for out in ("served", "loaded")
    )
    assert served == loaded
