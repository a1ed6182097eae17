import json
from pathlib import Path

import pytest

from rilctl.cli.checks import Check, check_recipe, find_misfits
from rilctl.config.recipe import Recipe

CLOSED = {"model": "closed", "endpoint": {"url": "https://api.example.com/v1", "key_env": "CLOSED_KEY"}}
IN_FILE = {"model": "other", "endpoint": {"url": "http://localhost:8000/v1", "key_file": "key.txt"}}


def recipe(**tables: object) -> Recipe:
    return Recipe.model_validate_json(json.dumps(tables))


def test_a_requirement_that_is_not_met_is_named_with_both_versions() -> None:
    assert list(find_misfits("rilctl", {"torch": "2.13.0", "numpy": "2.3"})) == []
    (misfit,) = find_misfits("rilctl", {"torch": "2.16.0", "pillow": "12.5"})
    assert misfit.startswith("torch") and misfit.endswith("2.16.0 is here")


def test_requirements_of_extras_that_were_not_asked_for_do_not_count() -> None:
    assert list(find_misfits("rilctl", {"trl": "0.1", "vllm": "0.1"})) == []


def test_what_is_installed_here_fits_together() -> None:
    assert list(find_misfits("rilctl")) == []


def test_keys_of_endpoints_are_looked_for_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = recipe(teachers={"closed": CLOSED, "other": IN_FILE, "here": {"model": "qwen3b"}})
    monkeypatch.delenv("CLOSED_KEY", raising=False)
    first, second = check_recipe(asked, tmp_path)
    assert (first.name, first.state) == ("teacher closed at api.example.com", "broken")
    assert first.detail == "CLOSED_KEY is not set" and first.hint == "`export CLOSED_KEY=…`"
    assert (second.state, second.detail) == ("broken", "no file key.txt")
    monkeypatch.setenv("CLOSED_KEY", "sk-secret")
    (tmp_path / "key.txt").write_text("sk-secret")
    found = list(check_recipe(asked, tmp_path))
    assert [check.state for check in found] == ["ok", "ok"]
    assert "sk-secret" not in str(found)


def test_an_engine_whose_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    asked = recipe(train={"engine": {"type": "deepspeed"}}, sft={})
    assert list(check_recipe(asked, tmp_path)) == [
        Check(
            "train.engine",
            "broken",
            "`deepspeed` needs the extra [deepspeed], which isn't installed",
            "`pip install 'rilctl[deepspeed]'`",
        )
    ]
