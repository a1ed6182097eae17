"""What a process says of its hardware: only what it knows, and without loading or waking anything."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rilctl import hardware as room
from rilctl.hardware import hardware


def test_here() -> None:
    found = hardware({})
    assert found["processor"] and float(found["memory"].removesuffix(" GiB")) > 0
    assert int(found["cores"].split()[-1]) == os.cpu_count()
    assert "processes" not in found


def test_nothing_is_loaded_for_it() -> None:
    code = "import sys; from rilctl.hardware import hardware; facts = hardware(); print('torch' in sys.modules, facts)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("False") and "device" not in run.stdout


@pytest.mark.parametrize(("size", "said"), [("1", None), ("8", "8")])
def test_processes_where_there_are_several(size: str, said: str | None) -> None:
    assert hardware({"WORLD_SIZE": size}).get("processes") == said


def test_gpus_of_the_host_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bus, name in (("0000:01", "NVIDIA H200"), ("0000:02", "NVIDIA L4"), ("0000:03", "NVIDIA H200")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t {name}\nIRQ:   \t\t 44\n")
    monkeypatch.setattr(room, "_GPUS", tmp_path)
    assert hardware({})["gpus"] == "2 x NVIDIA H200, NVIDIA L4"
    monkeypatch.setattr(room, "_GPUS", tmp_path / "none")
    assert "gpus" not in hardware({})


def test_a_processor_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\n")
    monkeypatch.setattr(room, "_CPUS", tmp_path / "cpuinfo")
    assert hardware({})["processor"] == "Some CPU @ 2 GHz"
    monkeypatch.setattr(room, "_CPUS", tmp_path / "none")
    assert hardware({})["processor"]


def test_the_device_is_known_once_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for torch where it has GPUs: none is here."""
    used = SimpleNamespace(name="NVIDIA H200", total_memory=150_000_000_000)
    cuda = SimpleNamespace(
        is_initialized=lambda: False, current_device=lambda: 3, get_device_properties={3: used}.__getitem__
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(room, "_GPUS", tmp_path)
    assert hardware({})["device"] == "cpu"
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "information").write_text("Model: NVIDIA H200\n")
    assert "device" not in hardware({})
    cuda.is_initialized = lambda: True
    assert hardware({})["device"] == "NVIDIA H200, 139.7 GiB"
