"""Loading refuses what isn't whole; saving keeps what was there."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rilctl.config.fields import Dtype, ModelConfig
from rilctl.errors import ModelError, RowError, UsageError
from rilctl.models.loaded.vlm import Vlm, load_vlm, save_vlm
from rilctl.models.prompts.encode import encode_response
from rilctl.quickstart.shapes import ShapeName
from rilctl.testing.peaks import peak_bytes, write_sized_workspace
from rilctl.testing.prompts import drawn_prompt
from rilctl.testing.small_vlms import build_small_vlm


def load_from(directory: Path, **settings: object) -> Vlm:
    config = ModelConfig(model=str(directory), **settings)  # type: ignore[arg-type]
    return load_vlm(config, base_dir=Path(), device=torch.device("cpu"), trainable=True)


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return build_small_vlm(tmp_path / "model")


@pytest.mark.parametrize("family", ["pocket-student", "pocket-teacher-internvl"])
def test_a_saved_model_is_the_same_model_for_us_and_for_the_library(family, load, tmp_path):
    from transformers import AutoModelForImageTextToText

    vlm = load(family)
    save_vlm(vlm, tmp_path)
    again = load_from(tmp_path)
    assert again.identity.weights == vlm.identity.weights  # the library completes its configuration
    library = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(library.parameters(), vlm.model.parameters(), strict=True))
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert saved["processor_class"] in ("Qwen2_5_VLProcessor", "InternVLProcessor")


def test_a_missing_weight_is_refused(model_dir):
    weights = load_file(model_dir / "model.safetensors")
    removed = sorted(name for name in weights if "layers.0" in name)[0]
    save_file(
        {name: t for name, t in weights.items() if name != removed}, model_dir / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match="missing weights"):
        load_from(model_dir)


def test_an_unexpected_weight_is_refused(model_dir):
    weights = load_file(model_dir / "model.safetensors")
    save_file(weights | {"visual.extra": torch.ones(2)}, model_dir / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="unexpected weights: `model.visual.extra`"):
        load_from(model_dir)


def test_a_truncated_weights_file_is_refused(model_dir):
    file = model_dir / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=str(model_dir)):
        load_from(model_dir)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("preprocessor_config.json", "processor"),
        ("tokenizer.json", "no tokenizer"),
        ("chat_template.jinja", "chat template"),
        ("model.safetensors", "no safetensors weights"),
        ("config.json", "no config.json"),
    ],
)
def test_a_directory_without_a_part_is_refused(model_dir, missing, message):
    (model_dir / missing).unlink()
    with pytest.raises(ModelError, match=message) as caught:
        load_from(model_dir)
    assert caught.value.hint


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(UsageError, match="qwen72") as caught:
        load_from(Path("qwen72"))
    assert caught.value.hint == "a relative path starts from the current directory; did you mean `qwen72b`?"


def test_random_weights_come_from_the_seed_alone(model_dir):
    torch.manual_seed(5)
    a = load_from(model_dir, random_weights=True, seed=3)
    torch.manual_seed(6)
    b = load_from(model_dir, random_weights=True, seed=3)
    c = load_from(model_dir, random_weights=True, seed=4)
    assert all(torch.equal(x, y) for x, y in zip(a.model.parameters(), b.model.parameters(), strict=True))
    assert a.digest == b.digest != c.digest


def test_a_special_token_in_a_question_is_a_bad_row(load):
    with pytest.raises(RowError, match="im_start") as caught:
        drawn_prompt(load("pocket-student"), "what <|im_start|>system", [])
    assert caught.value.reason == "special-token"


def test_markup_in_a_response_is_text(load):
    vlm = load("pocket-student")
    ids = encode_response(vlm, "answer <|im_end|> 8", stopped=False)
    assert not set(ids) & {*vlm.stop_ids, *vlm.banned_ids}
    assert encode_response(vlm, "8", stopped=True)[-1] in vlm.stop_ids


def test_models_read_alike_where_tokenizer_template_and_image_processor_are_the_same(load, model_dirs, tmp_path):
    vlm = load("pocket-student")
    for change in (None, "preprocessor_config.json", "chat_template.jinja"):
        directory = tmp_path / str(change)
        save_vlm(vlm, directory)
        (directory / "discriminator.json").write_text("{}")
        if change:
            (directory / change).write_text((directory / change).read_text() + " ")
        other = load_vlm(ModelConfig(model=str(directory)), base_dir=Path(), device=torch.device("cpu"))
        assert other.reads_like(vlm) == vlm.reads_like(other) == (change is None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", ["pocket-student", "pocket-teacher-internvl"])
def test_room_for_weights_has_the_shape_of_what_is_read(shape: ShapeName, dtype: Dtype, tmp_path: Path) -> None:
    config = ModelConfig(model=str(build_small_vlm(tmp_path, shape)), dtype=dtype)
    room, read = (
        load_vlm(config, base_dir=Path(), device=torch.device("cpu"), reads_weights=reads) for reads in (False, True)
    )
    tensors = [{**dict(vlm.model.named_parameters()), **dict(vlm.model.named_buffers())} for vlm in (room, read)]
    layouts = [{name: (tensor.shape, tensor.dtype) for name, tensor in found.items()} for found in tensors]
    assert layouts[0] == layouts[1]
    tied = [vlm.lm_head.weight is vlm.model.get_input_embeddings().weight for vlm in (room, read)]
    assert tied[0] == tied[1]
    assert (room.digest, room.stop_ids, room.banned_ids) == (read.digest, read.stop_ids, read.banned_ids)


def test_room_for_weights_takes_no_memory(tmp_path: Path) -> None:
    write_sized_workspace(tmp_path)
    config = ModelConfig(model=str(tmp_path / "student"), random_weights=True)
    kept = [load_vlm(config, base_dir=Path(), device=torch.device("cpu"), reads_weights=False)]  # libraries load
    more = peak_bytes(
        lambda: kept.append(load_vlm(config, base_dir=Path(), device=torch.device("cpu"), reads_weights=False))
    )
    assert more < 0.1 * 4 * kept[0].model.num_parameters()


def test_random_weights_in_bfloat16_leave_buffers_as_they_are(tmp_path: Path) -> None:
    config = ModelConfig(model=str(build_small_vlm(tmp_path)), random_weights=True, dtype="bfloat16")
    model = load_vlm(config, base_dir=Path(), device=torch.device("cpu")).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}


def test_a_large_model_is_written_in_several_files(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vlm = load_from(model_dir)
    monkeypatch.setattr("rilctl.models.loaded.vlm.SHARD_BYTES", 500_000)
    save_vlm(vlm, tmp_path / "large")
    assert len(list((tmp_path / "large").glob("*.safetensors"))) > 2
    assert load_from(tmp_path / "large").identity.weights == vlm.identity.weights
