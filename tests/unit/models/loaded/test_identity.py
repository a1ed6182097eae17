"""Which model a directory holds: its weights and every text that shapes what it reads and says."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rilctl.artifacts.digests import weights_digest
from rilctl.artifacts.model_files import model_files_digest
from rilctl.config.fields import LoraConfig, ModelConfig
from rilctl.errors import ArtifactError, ModelError
from rilctl.models.loaded.adapters import save_adapter, with_adapter
from rilctl.models.loaded.identity import ModelIdentity, identify
from rilctl.models.loaded.source import find_model
from rilctl.models.loaded.vlm import Vlm, load_vlm, save_vlm

TEXTS = (
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "additional_chat_templates/default.jinja",
)


def identity(model: Path, revision: str | None = None, **config: object) -> ModelIdentity:
    source = replace(find_model(str(model), revision=None, base_dir=Path()), revision=revision)
    return identify(ModelConfig(model=str(model), **config), source)


def load(model: Path) -> Vlm:
    return load_vlm(ModelConfig(model=str(model)), base_dir=Path(), device=torch.device("cpu"))


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "known_as", [{}, {"revision": "c0ffee"}, {"random_weights": True}], ids=["files", "hub", "random"]
)
def test_every_text_is_part_of_it(own_model: Path, name: str, known_as: dict) -> None:
    before = identity(own_model, **known_as)
    (own_model / name).parent.mkdir(exist_ok=True)
    text = (own_model / name).read_text() if (own_model / name).exists() else "{}"
    (own_model / name).write_text(text + " ")
    after = identity(own_model, **known_as)
    assert after.digest != before.digest
    assert after.answering(ModelConfig(model="x")) != before.answering(ModelConfig(model="x"))


def test_weights_are_read_once_and_again_when_anything_about_the_file_changed(
    own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def reading(directory: Path) -> str:
        read.append(directory)
        return weights_digest(directory)

    monkeypatch.setattr("rilctl.models.loaded.identity.weights_digest", reading)
    first = identity(own_model)
    identity(own_model)
    assert len(read) == 2  # new files may be written to again before the file system's clock has moved
    monkeypatch.setattr("rilctl.models.loaded.identity._SETTLED_NS", 0)
    assert identity(own_model) == identity(own_model) == first and len(read) == 3
    weights = own_model / "model.safetensors"
    before, content = weights.stat(), bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same size and time; only the inode knows
    assert identity(own_model).weights not in ("", first.weights) and len(read) == 4
    weights.with_name("more.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"more\.safetensors` holds weights that nothing reads"):
        identity(own_model)


def test_neither_its_place_nor_what_nobody_reads_is_part_of_it(own_model: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(own_model, tmp_path / "elsewhere"))
    for name in ("README.md", "metrics.jsonl", ".lock.json", "manifest.bak"):
        (moved / name).write_text("{}")
    assert identity(moved) == identity(own_model)
    assert identity(moved).digest == model_files_digest(own_model)


def test_a_commit_of_the_hub_can_be_read_from_it(own_model: Path) -> None:
    assert identity(own_model, revision="c0ffee").digest.startswith("hub:c0ffee:")


def test_what_is_written_is_what_was_loaded(own_model: Path, tmp_path: Path) -> None:
    vlm = load(own_model)
    before = (own_model / "chat_template.jinja").read_text()
    (own_model / "chat_template.jinja").write_text(before + "edited")
    save_vlm(vlm, tmp_path / "saved")
    assert (tmp_path / "saved/chat_template.jinja").read_text() == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves these files open
def test_templates_in_a_folder_of_their_own_are_written_as_well(own_model: Path, tmp_path: Path) -> None:
    (own_model / "additional_chat_templates").mkdir()
    (own_model / "chat_template.jinja").rename(own_model / "additional_chat_templates/default.jinja")
    vlm = load(own_model)
    save_vlm(vlm, tmp_path / "saved")
    assert load(tmp_path / "saved").processor.chat_template == vlm.processor.chat_template


def adapter_digest(vlm: Vlm, directory: Path, **changes: object) -> str:
    save_adapter(vlm, directory)
    config = json.loads((directory / "adapter_config.json").read_text())
    (directory / "adapter_config.json").write_text(json.dumps(config | changes))
    return model_files_digest(directory)


def test_an_adapters_scale_is_part_of_it_and_the_path_of_its_base_is_not(own_model: Path, tmp_path: Path) -> None:
    vlm = with_adapter(load(own_model), LoraConfig(rank=2), adapter="student", seed=0)
    digest = adapter_digest(vlm, tmp_path / "one")
    assert adapter_digest(vlm, tmp_path / "two", base_model_name_or_path="/elsewhere", revision="c0ffee") == digest
    assert adapter_digest(vlm, tmp_path / "three", lora_alpha=1.0) != digest


def test_an_adapter_beside_a_model_is_refused(own_model: Path) -> None:
    save_adapter(with_adapter(load(own_model), LoraConfig(rank=2), adapter="student", seed=0), own_model)
    with pytest.raises(ModelError, match="holds an adapter") as caught:
        load(own_model)
    assert caught.value.hint and "merge" in caught.value.hint
