"""A student that rilctl saves is loaded by vLLM itself, which says of texts and pictures what we say."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from rilctl.config.engines import HfEngineConfig
from rilctl.config.fields import ModelConfig, SamplingConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.engines.generation.base import GenerationRequest
from rilctl.engines.generation.open import open_generation, open_rollouts
from rilctl.engines.generation.vllm.engine import VllmGeneration
from rilctl.engines.generation.vllm.local import LocalVllm
from rilctl.engines.generation.vllm.reader import Reader
from rilctl.engines.generation.vllm.spread import STRICT_NATS
from rilctl.errors import ModelError, UsageError
from rilctl.models.loaded.vlm import save_vlm
from rilctl.models.prompts.kept import KeptPrompts
from rilctl.testing.builders.base import change
from rilctl.testing.families import build_family, load_to_train

from .conftest import LOCAL, nudge

GREEDY = SamplingConfig(max_new_tokens=12, temperature=0)


def one_token_per_picture(directory: Path) -> None:
    """On a CPU, vLLM's attention lets a picture's tokens see earlier ones only; one token has no later ones."""
    change(directory / "config.json", mm_tokens_per_image=1)
    change(directory / "processor_config.json", image_seq_length=1)


def four_line_ends(directory: Path) -> None:
    """Gemma's vocabulary has a token for them, which vLLM looks up; the small model's has another in its place."""
    file = directory / "tokenizer.json"
    content: dict[str, Any] = json.loads(file.read_text())
    model = content["model"]
    old, new = ["\u2581", "\n\n\n"], ["\n\n", "\n\n"]
    model["vocab"]["".join(new)] = model["vocab"].pop("".join(old))
    model["merges"] = [new if pair == old else pair for pair in model["merges"]]
    file.write_text(json.dumps(content))


CHANGES = {"gemma3": (one_token_per_picture, four_line_ends), "llava": (), "smolvlm": ()}


def made(family: str, folder: Path) -> Path:
    """A model directory as the library writes it, which no checkpoint of this family was published as."""
    build_family(folder, family, head_dim=32)
    for change_files in CHANGES[family]:
        change_files(folder)
    return folder


def asked() -> list[GenerationRequest]:
    drawn = Image.radial_gradient("L").resize((56, 56))
    picture = ImageRef(lambda: Image.merge("RGB", (drawn, drawn.rotate(90), drawn)), "drawn")
    asked = [("what is 2 + 2?", ()), ("what is the sum?", (picture,)), ("what is the largest?", (picture, picture))]
    return [GenerationRequest(str(i), Conversation.of(*each), (1,)) for i, each in enumerate(asked)]


@pytest.mark.parametrize("family", CHANGES)
def test_a_saved_student_answers_in_vllm_as_with_us(family: str, tmp_path: Path) -> None:
    if family == "smolvlm":
        pytest.importorskip("num2words", reason="the library's processor of SmolVLM2 wants it, for videos")
    student = tmp_path / "student"
    save_vlm(load_to_train(made(family, tmp_path / "made"), torch.device("cpu")), student)
    with closing(open_generation(ModelConfig(model=str(student)), HfEngineConfig(), Path())) as ours:
        expected = ours.generate(asked(), GREEDY)
    vlm = load_to_train(student, torch.device("cpu"))
    reader = Reader(vlm, KeptPrompts(vlm), vlm.stop_ids, vlm.banned_ids, LOCAL.max_images)
    vllm = VllmGeneration(
        lambda: (LocalVllm(student, "float32", LOCAL), reader), model_name="", model_digest="", num_places=8
    )
    with closing(vllm):
        found = vllm.generate(asked(), GREEDY)
    for own, (right,) in zip(found, expected, strict=True):
        assert isinstance(own, tuple), own
        assert own[0].token_ids == right.token_ids
        # SmolVLM's pictures are enlarged, by vLLM with torchvision, which rounds otherwise than Pillow
        near = 1e-3 if family == "smolvlm" else STRICT_NATS
        assert own[0].sampling_logprobs == pytest.approx(right.sampling_logprobs, abs=near)


def test_a_policy_is_sent_under_the_names_that_vllm_reads(tmp_path: Path) -> None:
    policy = load_to_train(made("llava", tmp_path), torch.device("cpu"))
    with closing(open_rollouts(policy, KeptPrompts(policy), LOCAL, Path())) as engine:
        for step in range(2):
            assert engine.update(step)["sync/logprob_error"] <= STRICT_NATS
            nudge(policy, seed=step)


def test_a_directory_under_other_names_is_refused_before_vllm_starts(tmp_path: Path) -> None:
    model = ModelConfig(model=str(made("llava", tmp_path)))
    with pytest.raises(ModelError, match="`vision_tower.embeddings.class_embedding` is .* in vLLM") as refused:
        open_generation(model, LOCAL, Path())
    assert "save it" in str(refused.value.hint)


def test_a_cpu_s_attention_that_is_another_one_is_refused(tmp_path: Path) -> None:
    policy = load_to_train(made("gemma3", tmp_path), torch.device("cpu"))
    save_vlm(policy, tmp_path / "student")
    with pytest.raises(UsageError, match="on a CPU"):
        open_generation(ModelConfig(model=str(tmp_path / "student")), LOCAL, Path())
    with pytest.raises(UsageError, match="on a CPU"):
        open_rollouts(policy, KeptPrompts(policy), LOCAL, Path())
