"""Photographs that nobody here took, through every family's processor as its published models have it."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # 5.16 hides the name without torchvision

from rilctl.artifacts.model_files import write_texts
from rilctl.config.fields import ModelConfig
from rilctl.data.conversation import Conversation
from rilctl.data.sample import ImageRef
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_source
from rilctl.models.prompts.encode import encode_prompt
from rilctl.models.prompts.lengths import image_tokens
from rilctl.testing.families import build_models

PHOTOGRAPHS = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "page.png", "retina.jpg", "rocket.jpg")
PUBLISHED = {  # settings of the image processor, and of the processor
    "pocket-student": ({"min_pixels": 3136, "max_pixels": 12_845_056, "size": None}, {}),
    "qwen3_vl": ({"patch_size": 16, "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216}}, {}),
    "pocket-teacher-internvl": ({"size": {"height": 448, "width": 448}}, {"image_seq_length": 256}),
    "smolvlm": ({"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}, {"image_seq_len": 64}),
    "gemma3": ({"size": {"height": 896, "width": 896}}, {"image_seq_length": 256}),
    "llava": ({key: {"height": 336, "width": 336} for key in ("size", "crop_size")}, {}),
}
BOUNDS = {
    "pocket-student": [(None, None), (4, 64), (256, 512), (1024, 4096)],
    "qwen3_vl": [(None, None), (16, 64), (256, 1024)],
    "pocket-teacher-internvl": [(None, None), (None, 256), (768, 1792)],
    "smolvlm": [(None, None), (None, 64), (None, 320)],
    "gemma3": [(256, 256)],
    "llava": [(None, 576)],
}
MARKS = {"pocket-teacher-internvl": 2}
"""Tokens around a picture that stand for it as well."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Directories of every family with the settings of its published models."""
    found = build_models(tmp_path_factory.mktemp("models"))
    for family, (pixels, own) in PUBLISHED.items():
        change(found[family] / "preprocessor_config.json", pixels)
        change(found[family] / "processor_config.json", own)
        text = json.loads((found[family] / "config.json").read_text())["text_config"]
        change(found[family] / "config.json", {"text_config": text | {"max_position_embeddings": 32_768}})
    return found


def change(file: Path, values: dict[str, object]) -> None:
    content = json.loads(file.read_text()) | values
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def tokens_of(family: str, plain: dict[str, torch.Tensor]) -> int:
    """What plain transformers' tensors of one picture are, in tokens."""
    if "image_grid_thw" in plain:
        return int(plain["image_grid_thw"].prod()) // 4
    tiles = plain["pixel_values"].shape[1 if family == "smolvlm" else 0]
    return {"pocket-teacher-internvl": 256, "smolvlm": 64, "gemma3": 256, "llava": 576}[family] * int(tiles)


@pytest.mark.parametrize(("family", "bounds"), [(family, each) for family in BOUNDS for each in BOUNDS[family]])
def test_sizes_and_pixels_are_those_of_plain_transformers(
    published: dict[str, Path], tmp_path: Path, family: str, bounds: tuple[int | None, int | None]
) -> None:
    low, high = bounds
    config = ModelConfig(model=str(published[family]), min_image_tokens=low, max_image_tokens=high)
    source = find_source(config, base_dir=Path())
    encoder = Encoder(load_processor(source), source)
    write_texts(source.read_texts(), tmp_path)  # as they are saved with a student
    plain = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    always = {"crop_to_patches": True} if family == "pocket-teacher-internvl" else {}  # InternVL's processor says so
    package = find_spec("skimage")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "data"
    for name in PHOTOGRAPHS:
        file = folder / name
        ref = ImageRef(file, name)
        theirs = plain(Image.open(file).convert("RGB"), return_tensors="pt", **always)
        expected = tokens_of(family, theirs)
        assert (low or 0) <= expected <= (high or expected)
        prompt = encode_prompt(encoder, Conversation.of("what is it?", [ref]))
        assert torch.equal(prompt.features["pixel_values"].flatten(), theirs["pixel_values"].flatten())
        ids = prompt.token_ids_P.tolist()
        placeholder = getattr(encoder.tokenizer, "image_token", encoder.processor.image_token)
        assert ids.count(encoder.tokenizer.convert_tokens_to_ids(placeholder)) == expected
        if family != "smolvlm":  # which counts the marks of each tile
            assert image_tokens(encoder, ref.size_px) == expected + MARKS.get(family, 0)
