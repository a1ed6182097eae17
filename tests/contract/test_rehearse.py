"""`rehearse`, as far as it goes without a process of its own; `nox -s rehearsal` runs it whole."""

import importlib.util
from pathlib import Path

from rilctl.config.shipped import recipes_dir

from .helpers import call

RECIPE = recipes_dir() / "qwen3b-lora-1gpu.toml"


def test_a_folder_of_another_kind_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep me")
    outcome = call(tmp_path, "rehearse", RECIPE, "--out", "mine")
    outcome.refused(2, "mine is no folder of a rehearsal", "--out")
    assert (tmp_path / "mine/notes.txt").read_text() == "keep me"


def test_a_recipe_without_verbs_or_student_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    call(tmp_path, "rehearse", "empty.toml").refused(2, "no verb's table")
    (tmp_path / "nobody.toml").write_text("[train]\n")
    call(tmp_path, "rehearse", "nobody.toml").refused(2, "no [student] table")


def test_deepspeed_is_asked_for_by_name(tmp_path: Path, monkeypatch) -> None:
    find_spec = importlib.util.find_spec
    known = {"deepspeed": None, "vllm": None}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: known[name] if name in known else find_spec(name, *rest)
    )
    outcome = call(tmp_path, "rehearse", recipes_dir() / "paper-qwen7b.toml", "--gpus", "2")
    outcome.refused(2, "sft, pretrain-disc, train train on DeepSpeed, and it isn't installed", "rilctl[deepspeed]")
