"""A prompt that doesn't fit is refused by its length, before its pictures are looked at."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.hf import load_engine
from rilctl.errors import RowError
from rilctl.models.families.table import FAMILIES
from rilctl.models.loaded.context_length import context_tokens
from rilctl.models.loaded.source import ModelSource
from rilctl.models.prompts.encode import encode_prompt
from rilctl.models.prompts.lengths import check_room

from ..conftest import LoadVlm

CONTEXT = 512
LONG = "what is 1 plus 1? " * 3_500
"""63,000 characters, of which each is a token to the pocket student."""


def source_of(path: Path) -> ModelSource:
    return ModelSource(str(path), path, None, FAMILIES["qwen2_5_vl"])


def refused(encode: Callable[[], object]) -> str:
    with pytest.raises(RowError) as raised:
        encode()
    assert raised.value.reason == "prompt-too-long"
    return raised.value.message


@pytest.mark.parametrize("family", ["pocket-student", "gemma3", "smolvlm", "text"])
def test_a_prompt_may_be_as_long_as_the_context_but_for_one_token(load: LoadVlm, family: str) -> None:
    vlm = load(family)
    marks = len(encode_prompt(vlm, Conversation.of("", [])).token_ids_P)
    fits = "z" * (CONTEXT - 1 - marks)  # no tokenizer here joins those
    assert len(encode_prompt(vlm, Conversation.of(fits, [])).token_ids_P) == CONTEXT - 1
    message = refused(lambda: encode_prompt(vlm, Conversation.of(fits + "z", [])))
    assert message == "512 tokens, room for 511 of 512 beside the response"


def test_pictures_count_by_their_size_and_are_not_decoded(load: LoadVlm) -> None:
    vlm = load("pocket-teacher-internvl")  # up to 54 tokens for a picture
    looks = list[str]()

    def draw() -> Image.Image:
        looks.append("looked")
        return Image.new("RGB", (640, 480))

    picture = ImageRef(draw, "picture")
    _ = picture.size_px
    assert "512 beside" in refused(lambda: encode_prompt(vlm, Conversation.of("why?", [picture] * 20)))
    assert looks == ["looked"]


def test_a_very_long_question_takes_no_memory(load: LoadVlm) -> None:
    vlm = load("pocket-student")
    tracemalloc.start()
    message = refused(lambda: encode_prompt(vlm, Conversation.of(LONG, [])))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("63,0") and peak_bytes < 64e6


def test_the_response_s_budget_is_part_of_the_context(own_model: Path) -> None:
    engine = load_engine(ModelConfig(model=str(own_model)), HfEngineConfig(device="cpu"), Path())
    request = GenerationRequest("0", Conversation.of("z" * 100, []), (0,))
    (fits,) = engine.generate([request], SamplingConfig(max_new_tokens=2))
    (refused,) = engine.generate([request], SamplingConfig(max_new_tokens=440))
    assert not isinstance(fits, RowError) and isinstance(refused, RowError) and refused.reason == "prompt-too-long"


def test_a_budget_over_the_context_refuses_nobody(load: LoadVlm) -> None:
    vlm = load("pocket-student")
    check_room(vlm, CONTEXT - 1, 4_000)
    assert "room for 511" in refused(lambda: check_room(vlm, CONTEXT, 4_000))


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        ({"rope_type": "default"}, 512),
        ({"rope_type": "linear", "factor": 4.0}, 2048),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256}, 1024),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 32}, 512),
    ],
)
def test_the_context_is_stretched_as_positions_are(own_model: Path, rope: dict[str, object], expected: int) -> None:
    file = own_model / "config.json"
    config = json.loads(file.read_text())
    low_high = {"low_freq_factor": 1.0, "high_freq_factor": 4.0} if rope["rope_type"] == "llama3" else {}
    config["text_config"]["rope_parameters"] |= {**rope, **low_high}
    file.write_text(json.dumps(config))
    assert context_tokens(source_of(own_model)) == expected


def test_a_configuration_that_can_not_be_read_has_no_context(tmp_path: Path) -> None:
    assert context_tokens(source_of(tmp_path)) is None
