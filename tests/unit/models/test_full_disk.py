"""Weights for an engine, pictures of a report and a batch on a full disk: the error names the file."""

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from rilctl.config.fields import ModelConfig
from rilctl.models.vlm import load_vlm
from rilctl.models.weights import INDEX, export_files, write_shards
from rilctl.reporting.plots import plot_accuracy
from rilctl.reporting.tables import AccuracyRow


@contextmanager
def small_disk(limit_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> None:
    export_files(load_vlm(ModelConfig(model="pocket-student"), base_dir=Path(), device=torch.device("cpu")), folder)


def shards(folder: Path) -> None:
    write_shards([("a", torch.zeros(64, 64))], folder)


def plot(folder: Path) -> None:
    plot_accuracy([AccuracyRow(name="ril", accuracy=0.5, low=0.4, high=0.6, questions=10)], folder / "plot.svg")


@pytest.mark.parametrize(
    ("write", "limit_bytes", "name"),
    [
        (files, 100, ""),
        (shards, 100, "model-00000.safetensors"),
        (shards, 0, "model-00000.safetensors"),
        (plot, 100, "plot.svg"),
    ],
)
def test_the_error_names_the_file(tmp_path: Path, write: Callable[[Path], None], limit_bytes: int, name: str) -> None:
    with small_disk(limit_bytes), pytest.raises(OSError) as caught:
        write(tmp_path)
    assert caught.value.errno == errno.EFBIG
    assert Path(caught.value.filename) == tmp_path / name
    assert not (tmp_path / INDEX).exists()
