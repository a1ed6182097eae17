"""Bounds of image tokens: kept by each family's own rule, and in the files of a student that is saved."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # 5.16 hides the name without torchvision

from rilctl.artifacts.model_files import read_texts
from rilctl.config.fields import ModelConfig
from rilctl.errors import ConfigError, ModelError
from rilctl.models.loaded.identity import ModelIdentity, identify
from rilctl.models.loaded.picture_size import check_sizes
from rilctl.models.loaded.processor import Encoder, load_processor
from rilctl.models.loaded.source import find_source, link_files
from rilctl.models.loaded.vlm import load_vlm, save_vlm
from rilctl.testing.prompts import drawn_prompt

SIZES = [(20, 30), (300, 40), (211, 237), (1600, 900)]
KEPT = [  # family, bounds of tokens, and what SIZES take then
    ("pocket-student", (8, 24), [12, 11, 20, 18]),
    ("pocket-student", (None, 64), [6, 11, 64, 50]),
    ("qwen3_vl", (8, 24), [12, 11, 20, 18]),
    ("qwen2_vl", (8, 24), [12, 11, 20, 18]),
    ("pocket-teacher-internvl", (None, None), [28, 32, 40, 36]),
    ("pocket-teacher-internvl", (None, 11), [4, 4, 4, 4]),
    ("pocket-teacher-internvl", (12, 20), [12, 20, 20, 12]),
    ("smolvlm", (None, None), [20, 12, 20, 20]),
    ("smolvlm", (None, 19), [4, 4, 4, 4]),
    ("smolvlm", (12, 99), [20, 12, 20, 20]),
    ("gemma3", (4, 4), [4, 4, 4, 4]),
    ("llava", (1, 16), [16, 16, 16, 16]),
]
REFUSED = [
    ("pocket-student", (None, 3), "its smallest picture would take 4 tokens, its largest 3; set both bounds"),
    ("qwen3_vl", (9, None), "its smallest picture would take 9 tokens, its largest 4; set both bounds"),
    ("pocket-teacher-internvl", (8, 8), "a picture takes 4 tokens, or 12, or 4 more for each further tile"),
    ("pocket-teacher-internvl", (None, 3), "a picture takes 4 tokens, or 12, or 4 more for each further tile"),
    ("smolvlm", (None, 3), "a picture takes a tile's 4 tokens or more"),
    ("smolvlm", (13, None), "its narrowest pictures take 12 tokens"),
    ("gemma3", (None, 3), "every picture takes 4 tokens, whatever its size"),
    ("llava", (17, None), "every picture takes 16 tokens, whatever its size"),
    ("llava_next", (None, 99), "nothing is known of how its processor sizes pictures"),
    ("text", (None, 99), "it is a text model"),
]
Bounds = tuple[int | None, int | None]


def config(model: Path, bounds: Bounds = (None, None)) -> ModelConfig:
    return ModelConfig(model=str(model), min_image_tokens=bounds[0], max_image_tokens=bounds[1])


def encoder_of(model: Path, bounds: Bounds = (None, None)) -> Encoder:
    source = find_source(config(model, bounds), base_dir=Path())
    return Encoder(load_processor(source), source)


def identity_of(model: Path, bounds: Bounds = (None, None)) -> ModelIdentity:
    return identify(config(model, bounds), find_source(config(model, bounds), base_dir=Path()))


def picture(size: tuple[int, int]) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


def image_tokens(encoder: Encoder, size: tuple[int, int]) -> int:
    ids = drawn_prompt(encoder, "what?", [picture(size)]).token_ids_P.tolist()
    name = getattr(encoder.tokenizer, "image_token", encoder.processor.image_token)
    return ids.count(encoder.tokenizer.convert_tokens_to_ids(name))


@pytest.mark.parametrize(("family", "bounds", "expected"), KEPT)
def test_pictures_take_so_many_tokens(
    model_dirs: dict[str, Path], family: str, bounds: Bounds, expected: list[int]
) -> None:
    encoder = encoder_of(model_dirs[family], bounds)
    assert [image_tokens(encoder, size) for size in SIZES] == expected


@pytest.mark.parametrize(("family", "bounds", "reason"), REFUSED)
def test_what_a_family_can_not_keep_is_refused_with_what_it_can(
    model_dirs: dict[str, Path], family: str, bounds: Bounds, reason: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        encoder_of(model_dirs[family], bounds)
    assert f"image_tokens = {bounds[0] or bounds[1]}" in raised.value.message
    assert raised.value.message.endswith(f"{family} can't keep that: {reason}")


@pytest.mark.parametrize(("family", "bounds"), [(family, bounds) for family, bounds, _ in KEPT])
def test_whoever_loads_a_saved_student_sizes_alike(
    model_dirs: dict[str, Path], tmp_path: Path, family: str, bounds: Bounds
) -> None:
    vlm = load_vlm(config(model_dirs[family], bounds), base_dir=Path(), device=torch.device("cpu"))
    save_vlm(vlm, tmp_path)
    plain = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    own = {"crop_to_patches": True} if family == "pocket-teacher-internvl" else {}  # as its processor always does
    for size in SIZES:
        ours = drawn_prompt(vlm, "what?", [picture(size)]).features["pixel_values"]
        theirs = plain(picture(size), return_tensors="pt", **own)["pixel_values"]
        assert torch.equal(ours.flatten(), theirs.flatten())
    again = find_source(config(tmp_path, bounds), base_dir=Path())
    assert again.read_texts() == find_source(config(tmp_path), base_dir=Path()).read_texts()


@pytest.mark.parametrize("family", ["gemma3", "llava", "text"])
def test_the_library_s_own_processor_loads_without_torchvision(model_dirs: dict[str, Path], family: str) -> None:
    """As docs/faq.md says; those with a part for videos don't."""
    assert AutoProcessor.from_pretrained(model_dirs[family]).chat_template


def test_a_bound_changes_what_is_remembered_of_a_model_where_it_changes_what_is_seen(
    model_dirs: dict[str, Path],
) -> None:
    plain, bounded = (identity_of(model_dirs["pocket-student"], bounds) for bounds in ((None, None), (8, 24)))
    assert plain.digest == bounded.digest and plain != bounded
    assert plain.answering(config(Path())) != bounded.answering(config(Path()))
    assert identity_of(model_dirs["llava"]) == identity_of(model_dirs["llava"], (None, 16))


def test_two_bounds_do_not_read_alike(model_dirs: dict[str, Path]) -> None:
    one, same, other = (encoder_of(model_dirs["pocket-student"], bounds) for bounds in ((8, 24), (8, 24), (8, 16)))
    assert one.reads_like(same) and not one.reads_like(other)


def test_a_directory_with_a_bound_for_libraries_that_read_files(model_dirs: dict[str, Path], tmp_path: Path) -> None:
    link_files(find_source(config(model_dirs["pocket-student"], (8, 24)), base_dir=Path()), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in model_dirs["pocket-student"].iterdir()}
    copied = Path(shutil.copytree(tmp_path, tmp_path / "copied"))  # a model with links out of it is refused
    assert encoder_of(copied).reads_like(encoder_of(model_dirs["pocket-student"], (8, 24)))
    assert identity_of(copied).weights == identity_of(model_dirs["pocket-student"]).weights


@pytest.mark.parametrize("damage", ["{", "[]", '{"patch_size": [], "merge_size": null}', '{"size": 5}'])
def test_damaged_settings_are_named(own_model: Path, damage: str) -> None:
    (own_model / "preprocessor_config.json").write_text(damage)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        encoder_of(own_model, (8, 24))


@pytest.mark.parametrize("sizes", [{"size": {"shortest_edge": 1, "longest_edge": 10**13}}, {"max_pixels": -5}])
def test_sizes_that_no_picture_has(own_model: Path, sizes: dict[str, object]) -> None:
    check_sizes(read_texts(own_model), "mine")
    file = own_model / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | sizes))
    with pytest.raises(ModelError, match=r"mine/preprocessor_config.json: `(size|max_pixels)` has -?\d+ pixels"):
        check_sizes(read_texts(own_model), "mine")


def test_a_library_gets_no_code_and_no_word_of_it(own_model: Path, tmp_path: Path) -> None:
    (own_model / "own.py").write_text("")
    file = own_model / "config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "auto_map": {"AutoModel": "own.Own"}, "text_config": {"auto_map": {}}}))
    link_files(find_source(config(own_model), base_dir=Path()), tmp_path)
    assert not (tmp_path / "own.py").exists()
    assert json.loads((tmp_path / "config.json").read_text()) == {**settings, "text_config": {}}
    name = "tokenizer_config.json"
    assert (tmp_path / name).read_bytes() == (own_model / name).read_bytes()
