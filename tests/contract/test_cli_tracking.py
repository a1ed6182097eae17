"""`tracking sync` refuses in its own words what it can't send."""

import sys
from pathlib import Path

import pytest

from rilctl.artifacts.locks import writer_lock
from rilctl.testing.stages import run_stage
from rilctl.testing.workspaces import write_workspace

from .helpers import call


def test_what_cannot_be_sent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_workspace(tmp_path)
    run_stage(tmp_path, "sft", "sft.num_steps=2", out=tmp_path / "out")
    call(tmp_path, "tracking", "sync", "out").refused(2, "the run's recipe names no tracker")
    call(tmp_path, "tracking", "sync", ".", "--to", "tensorboard").refused(
        5, "`.` is no run with a metrics.jsonl", "name one of them: `out`"
    )
    (tmp_path / "empty").mkdir()
    call(tmp_path, "tracking", "sync", "empty", "--to", "tensorboard").refused(5, "name what `sft`")
    with writer_lock(tmp_path / "out"):
        call(tmp_path, "tracking", "sync", "out", "--to", "tensorboard").refused(6)
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it weren't installed
    call(tmp_path, "tracking", "sync", "out", "--to", "wandb").refused(2, "hint: pip install 'rilctl[wandb]'")
