"""A student that was trained and merged here, in vLLM's CPU build: `nox -s real-vllm`."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors.torch import load_file

from rilctl.artifacts.read import read_rows, resolve
from rilctl.schemas.records import ResponseRecord

from .command import rilctl
from .smollm2 import greedy_by_transformers

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is in the session `real-vllm` alone")
VLLM = "eval.engine={type = 'vllm', kv_cache_bytes = 268435456, max_length_tokens = 256}"


def test_a_merged_student_gives_the_same_greedy_answers(workspace: Path, smollm2: Path) -> None:
    """Tied embeddings, a default system turn, and one token for end and pad."""
    rilctl(workspace, "sft", "recipe.toml", "--set", "sft.responses=data")
    student = resolve(workspace / "runs/recipe/sft", "student")
    before, after = (load_file(folder / "model.safetensors") for folder in (smollm2, student))
    assert before.keys() == after.keys() and any((before[name] != after[name]).any() for name in before)
    rilctl(workspace, "eval", "recipe.toml", "--out", "here")
    rilctl(workspace, "eval", "recipe.toml", "--out", "in-vllm", "--set", VLLM)
    here, in_vllm = (list(read_rows(workspace / out / "responses", ResponseRecord)) for out in ("here", "in-vllm"))
    questions = [row.question for row in here]
    assert [row.question for row in in_vllm] == questions
    assert [row.token_ids for row in in_vllm] == [row.token_ids for row in here]
    assert [row.text for row in in_vllm] == greedy_by_transformers(student, questions, 16)
