"""What is verified is what is loaded: the files that a loader reads, and nothing else that looks like weights."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rilctl.artifacts.digests import weights_digest
from rilctl.artifacts.layout import read_regular
from rilctl.artifacts.model_files import read_texts
from rilctl.artifacts.weight_files import read_by_loader, weight_files
from rilctl.errors import ArtifactError

INDEX = "model.safetensors.index.json"


def weights(file: Path, name: str = "w") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.arange(4, dtype=np.float32)}, file)


def index(directory: Path, *files: object) -> None:
    names = {f"w{number}": file for number, file in enumerate(files)}
    (directory / INDEX).write_text(json.dumps({"weight_map": names}))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def test_one_file_or_those_of_the_index_and_ours(model: Path) -> None:
    assert weight_files(model) == []
    weights(model / "model.safetensors")
    weights(model / "head.safetensors", "weight")
    (model / "discriminator.json").write_text("{}")
    assert [file.name for file in weight_files(model)] == ["head.safetensors", "model.safetensors"]
    (model / "model.safetensors").rename(model / "b.safetensors")
    weights(model / "a.safetensors", "v")
    index(model, "a.safetensors", "b.safetensors", "a.safetensors")
    assert [file.name for file in weight_files(model)] == ["a.safetensors", "b.safetensors", "head.safetensors"]


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "adapter_model.bin",
        "training_args.bin",
        "optimizer.pt",
        "original/consolidated.00.pth",
        "vocab.pkl",
        "consolidated.safetensors",
        "adapter_model.safetensors",
        "head.safetensors",
        "model.fp16.safetensors",
        "model-00001-of-00002.safetensors",
        "deep/er/model.safetensors",
        "model.fp16.safetensors.index.json",
        INDEX,
        "tf_model.h5",
        "flax_model.msgpack",
        "onnx/model.onnx",
        "model.gguf",
    ],
)
def test_what_nothing_reads_is_refused_by_name(model: Path, name: str) -> None:
    weights(model / "model.safetensors")
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(b"{}")
    for look in (weight_files, weights_digest):
        with pytest.raises(ArtifactError) as error:
            look(model)
        assert f"`{model / name}`" in error.value.message and error.value.hint
    assert read_by_loader(model) == [model / "model.safetensors"]  # of the hub, a commit says what is there


@pytest.mark.parametrize("name", ["resume/x/state.safetensors", ".cache/model.bin", "profile/trace.pt", "README.md"])
def test_what_is_no_model_is_left_alone(model: Path, name: str) -> None:
    weights(model / "model.safetensors")
    before = weights_digest(model)
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(b"{}")
    assert weights_digest(model) == before


@pytest.mark.parametrize(
    "name",
    [
        "../evil.safetensors",
        "/evil.safetensors",
        ".hidden/evil.safetensors",
        ".evil.safetensors",
        "below/evil.safetensors",
        "..\\evil.safetensors",
        "a.bin",
        "a",
        "",
        "missing.safetensors",
        "folder.safetensors",
        "head.safetensors",
        "a.safetensors\x00",
        7,
        None,
        ["a.safetensors"],
    ],
)
def test_an_index_names_files_beside_it_alone(model: Path, name: object) -> None:
    weights(model / "a.safetensors")
    (model / "folder.safetensors").mkdir()
    weights(model.parent / "evil.safetensors", "v")
    for folder in (".hidden", "below"):
        weights(model / folder / "evil.safetensors", "v")
    index(model, "a.safetensors", name)
    with pytest.raises(ArtifactError, match=r"index\.json` names"):
        read_by_loader(model)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 200_000, "1" * 9999]
)
def test_an_index_that_is_none(model: Path, text: str) -> None:
    (model / INDEX).write_text(text)
    with pytest.raises(ArtifactError, match=r"index\.json`"):
        weight_files(model)


def link(target: str) -> Callable[[Path], None]:
    return lambda file: file.symlink_to(target)


@pytest.mark.parametrize(
    "put", [link("../other.safetensors"), link("/dev/zero"), os.mkfifo], ids=["link", "zero", "pipe"]
)
@pytest.mark.parametrize("name", ["model.safetensors", "head.safetensors"])
def test_weights_that_are_no_file_of_the_model(model: Path, name: str, put: Callable[[Path], None]) -> None:
    weights(model.parent / "other")
    (model / "discriminator.json").write_text("{}")
    put(model / name)
    with pytest.raises(ArtifactError, match=name):
        weights_digest(model)


@pytest.mark.parametrize("put", [link("../other"), link("/dev/zero"), os.mkfifo], ids=["link", "zero", "pipe"])
@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer.json", "added_tokens.json", "merges.txt"])
def test_texts_that_are_no_file_of_the_model(model: Path, name: str, put: Callable[[Path], None]) -> None:
    (model.parent / "other").write_text("{}")
    put(model / name)
    with pytest.raises(ArtifactError, match=name):
        read_texts(model)


def test_a_folder_of_templates_elsewhere(model: Path) -> None:
    (model.parent / "elsewhere").mkdir()
    (model.parent / "elsewhere" / "tool.jinja").write_text("{{ messages }}")
    (model / "additional_chat_templates").symlink_to("../elsewhere")
    with pytest.raises(ArtifactError, match=r"tool\.jinja` is a link"):
        read_texts(model)


def test_a_snapshot_in_the_hubs_cache_has_its_files_in_blobs(tmp_path: Path) -> None:
    repository = tmp_path / "models--someone--model"
    snapshot = repository / "snapshots" / "c0ffee"
    weights(repository / "blobs" / "0123")
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/0123")
    (snapshot / "config.json").symlink_to("../../blobs/0123")
    assert weight_files(snapshot) == [snapshot / "model.safetensors"]
    assert list(read_texts(snapshot)) == ["config.json"]
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="outside of the model"):
        weight_files(snapshot)


def test_one_tensor_in_two_files(model: Path) -> None:
    weights(model / "a.safetensors")
    weights(model / "b.safetensors")
    index(model, "a.safetensors", "b.safetensors")
    with pytest.raises(ArtifactError, match="`w`, and so does"):
        weights_digest(model)


@pytest.mark.parametrize(
    "header",
    [
        '{"w": {"dtype": "F32", "shape": [Infinity], "data_offsets": [0, 4]}}',
        '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, Infinity]}}',
        '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [NaN, 4]}}',
        '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1000000000000]}}',
        '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
        '{"w": {"dtype": "F32", "shape": 1e400, "data_offsets": [0, 4]}}',
        '{"w": 1}',
        "[" * 200_000,
        "1" * 5000,
    ],
)
def test_a_header_that_lies(model: Path, header: str) -> None:
    data = header.encode()
    (model / "model.safetensors").write_bytes(len(data).to_bytes(8, "little") + data + bytes(4))
    with pytest.raises(ArtifactError, match=r"model\.safetensors` is no intact"):
        weights_digest(model)


def test_a_text_that_is_too_large_is_not_read(model: Path) -> None:
    with (model / "config.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArtifactError, match=r"config\.json` can't be read: has more than 33,554,432 bytes"):
        read_texts(model)
    with pytest.raises(OSError, match="has more than 1,073,741,824 bytes"):
        read_regular(model / "config.json")
