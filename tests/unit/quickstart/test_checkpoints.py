"""The checkpoints that ship: small enough, of the shapes that the code writes, as good and bad as they should be."""

import json
from pathlib import Path
from typing import Any

import pytest

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.config.load import load_recipe
from rilctl.config.shipped import recipes_dir
from rilctl.data.conversation import Conversation
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.engines.judging.rule import judge_answer
from rilctl.models.loaded.source import find_model
from rilctl.quickstart.shapes import SHAPES, write_shape
from rilctl.quickstart.world import make_rows

ADDS, COMPARES = ("sum of", "add"), ("gap of", "compare")


def directory(name: str) -> Path:
    return find_model(name, revision=None, base_dir=Path()).path


def accuracy(name: str, asked: tuple[str, ...]) -> float:
    from rilctl.data.sample import ImageRef

    rows = [row for row in make_rows("test", 7, 300) if row.question.startswith(asked)]
    requests = [
        GenerationRequest(row.id, Conversation.of(row.question, (ImageRef(lambda row=row: row.image, row.id),)), (0,))
        for row in rows
    ]
    engine = load_engine(ModelConfig(model=name), HfEngineConfig(rows_per_batch=150), Path())
    answers = engine.generate(requests, SamplingConfig(max_new_tokens=24, temperature=0))
    texts = [answer[0].text for answer in answers if isinstance(answer, tuple)]
    assert len(texts) == len(rows) > 100
    return sum(bool(judge_answer(row.answer, text).correct) for row, text in zip(rows, texts, strict=True)) / len(rows)


def test_all_of_them_fit_in_5_mb() -> None:
    assert sum(file.stat().st_size for name in SHAPES for file in directory(name).iterdir()) < 5_000_000


def differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Keys with other values, at any depth; a release of transformers may write defaults that another leaves out."""
    found = set()
    for key in one.keys() | other.keys():
        values = one.get(key), other.get(key)
        if all(isinstance(value, dict) for value in values):
            found |= differences(*values)
        elif values[0] != values[1]:
            found.add(key)
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_their_files_are_those_that_the_code_writes(name, tmp_path):
    write_shape(name, tmp_path)
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    shipped = {file.name: file.read_bytes() for file in directory(name).iterdir() if file.suffix != ".safetensors"}
    config, shipped_config = (json.loads(files["config.json"]) for files in (written, shipped))
    if config.pop("transformers_version") == shipped_config.pop("transformers_version"):
        assert shipped == written
        return
    assert {**shipped, "config.json": b""} == {**written, "config.json": b""}
    assert differences(config, shipped_config) <= {"rope_parameters", "bos_token_id", "eos_token_id", "pad_token_id"}


def test_each_teacher_is_good_at_what_the_other_is_bad_at() -> None:
    assert accuracy("pocket-teacher-qwen", ADDS) > 0.75 > 0.5 > accuracy("pocket-teacher-qwen", COMPARES)
    assert accuracy("pocket-teacher-internvl", COMPARES) > 0.75 > 0.5 > accuracy("pocket-teacher-internvl", ADDS)


def test_the_student_computes_badly() -> None:
    assert accuracy("pocket-student", (*ADDS, *COMPARES)) < 0.35


@pytest.mark.parametrize("name", ["student", "teacher-qwen", "teacher-internvl"])
def test_each_has_the_two_recipes_that_rebuild_it(name):
    first, second = (load_recipe([recipes_dir() / f"pocket/{name}-{phase}.toml"]) for phase in (1, 2))
    assert first.student is not None and first.student.random_weights and first.student.model == f"pocket-{name}"
    assert second.sft is not None and second.sft.student == f"runs/{name}-1/sft"
