"""A disk that is full, at any point: the message names a file, nothing is an internal error, the same command goes on.

A limit on the size of files stands in for the disk: every write beyond it fails as on a full one, with another number.
"""

import errno
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from rilctl.artifacts.read import read_manifest
from rilctl.config.fields import ModelConfig
from rilctl.models.loaded.vlm import load_vlm
from rilctl.models.loaded.weights import INDEX, export_files, write_shards
from rilctl.reporting.plots import plot_accuracy
from rilctl.testing.compared import compared_arm

from .changed_files import call

LIMITS_BYTES = {
    "judge": (0, 300, 3000),
    "cache-teacher": (0, 3000),
    "sft": (0, 3000, 40_000, 600_000),
    "pretrain-disc": (3000, 40_000, 600_000),
    "train": (300, 40_000, 600_000),
}
"""Where writing ends: the lock, `run.json`, rows and manifest, a tokenizer, a checkpoint, weights."""


@contextmanager
def small_disk(limit_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("verb", LIMITS_BYTES)
def test_the_message_names_a_file_and_the_rerun_makes_the_same(own: Path, verb: str) -> None:
    out = own / "runs/recipe" / verb
    expected = digests(out)
    shutil.rmtree(out)
    for limit_bytes in LIMITS_BYTES[verb]:
        with small_disk(limit_bytes):
            code, stderr = call(own, verb, "recipe.toml")
        (error,) = (line for line in stderr.splitlines() if line.startswith("error: "))
        assert error.startswith(f"error: file too large: {out}/"), f"{limit_bytes}: {error}"
        assert code == 1 and "run the same command again" in stderr
    code, stderr = call(own, verb, "recipe.toml")
    assert (code, digests(out)) == (0, expected), stderr
    assert call(own, "artifacts", "verify", str(out))[0] == 0
    assert not [*out.rglob(".tmp-*"), *out.rglob("resume")]


def digests(out: Path) -> dict[str, str]:
    return {
        str(file.relative_to(out)): read_manifest(file.parent).content_digest for file in out.rglob("manifest.json")
    }


def files(folder: Path) -> None:
    export_files(load_vlm(ModelConfig(model="pocket-student"), base_dir=Path(), device=torch.device("cpu")), folder)


def shards(folder: Path) -> None:
    write_shards([("a", torch.zeros(64, 64))], folder)


def plot(folder: Path) -> None:
    plot_accuracy([compared_arm("ril", 0.5)], 10, folder / "plot.svg")


@pytest.mark.parametrize(
    ("write", "limit_bytes", "name"),
    [
        (files, 100, ""),
        (shards, 100, "model-00000.safetensors"),
        (shards, 0, "model-00000.safetensors"),
        (plot, 100, "plot.svg"),
    ],
)
def test_other_writers_name_the_file(
    tmp_path: Path, write: Callable[[Path], None], limit_bytes: int, name: str
) -> None:
    with small_disk(limit_bytes), pytest.raises(OSError) as caught:
        write(tmp_path)
    assert caught.value.errno == errno.EFBIG
    assert Path(caught.value.filename) == tmp_path / name
    assert not (tmp_path / INDEX).exists()
