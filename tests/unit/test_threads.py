"""Threads that wait sleep, unless a person says otherwise; it is decided before torch is there."""

import os
import subprocess
import sys

import pytest

from rilctl.threads import wait_asleep

POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
LOOK = "import os, sys, {module}; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in POLICIES:
        monkeypatch.setenv(name, "kept so that it is put back")
        monkeypatch.delenv(name)


def test_threads_sleep_by_default() -> None:
    wait_asleep()
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


@pytest.mark.parametrize("name", POLICIES)
def test_a_person_decides(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "3")
    wait_asleep()
    assert {each: os.environ[each] for each in POLICIES if each in os.environ} == {name: "3"}


def test_the_program_decides_before_torch_is_loaded() -> None:
    code = LOOK.format(module="rilctl.__main__")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "passive False\n"
