"""Models that are named and aren't on this machine: what the hub says of them, through its real library."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from rilctl.testing.hub import HubDouble, HubRepo

from .helpers import call

NOBODY_LISTENS = "http://127.0.0.1:9"


@contextlib.contextmanager
def hub_at(monkeypatch: pytest.MonkeyPatch, cache: Path, url: str) -> Iterator[None]:
    """The hub's library, which reads its environment when it is imported, asks there and keeps what comes here."""
    settings = {"ENDPOINT": url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(cache)}
    with monkeypatch.context() as patch:
        for setting, value in settings.items():
            patch.setattr(constants, setting, value)
        yield


@pytest.mark.parametrize(
    "words",
    [
        ("sft", "--student", "runs/nosuch"),
        ("pretrain-disc", "--student", "runs/nosuch"),
        ("train", "--student", "runs/nosuch"),
        ("eval", "runs/nosuch"),
        ("ask", "runs/nosuch", "how many?"),
        ("cache-teacher", "--teachers", "runs/nosuch"),
    ],
    ids=lambda words: words[0],
)
def test_a_path_that_is_not_there_is_a_missing_directory_first(
    done: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be a hub id as well, which is said too."""
    with hub_at(monkeypatch, done / "hub", NOBODY_LISTENS):
        outcome = call(done, *words, *(() if words[0] == "ask" else ("--out", "elsewhere")))
    outcome.refused(5, "error: there is no directory `runs/nosuch` here; the hub can't be reached for `runs/nosuch`")
    assert "network" not in outcome.stderr and not (done / "elsewhere").exists()
    for name, message in (("./nosuch", "no model `./nosuch`"), ("recipe.toml", "recipe.toml` is a file")):
        if words[0] in ("sft", "pretrain-disc", "train"):
            call(done, words[0], "--student", name, "--out", "elsewhere").refused(2, message)


def test_a_student_on_the_hub_that_can_not_be_reached(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_at(monkeypatch, fresh / "hub", NOBODY_LISTENS):
        outcome = call(fresh, "sft", "--set", "student.model=qwen3b")
    outcome.refused(5, "the hub can't be reached for `Qwen/Qwen2.5-VL-3B-Instruct`", "or name a local directory")
    assert not (fresh / "runs").exists()


@pytest.mark.parametrize(
    ("name", "revision", "token", "code", "message"),
    [
        ("somebody/gated", None, None, 4, "is gated: its owner has to let you in"),
        ("somebody/private", None, None, 4, "was sent no token, and without one it shows no `somebody/private`"),
        ("somebody/private", None, "hf_wrong", 4, "doesn't know the token"),
        ("somebody/private", None, "hf_astranger", 5, "the hub has no `somebody/private` that you may see"),
        ("somebody/public", "v9", None, 5, "`somebody/public` has no such revision"),
        ("runs/nosuch", None, None, 5, "there is no directory `runs/nosuch` here; the hub was sent no token"),
    ],
)
def test_a_student_that_the_hub_does_not_give(
    fresh: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    revision: str | None,
    token: str | None,
    code: int,
    message: str,
) -> None:
    (fresh / "runs").mkdir()
    monkeypatch.setenv("HF_TOKEN", token or "")
    said = f", revision = '{revision}'" if revision else ""
    with HubDouble("hf_ofthetest") as double, hub_at(monkeypatch, fresh / "hub", double.url):
        double.repos |= {
            "somebody/gated": HubRepo(private=False, gated=True),
            "somebody/private": HubRepo(private=True),
            "somebody/public": HubRepo(private=False),
        }
        call(fresh, "sft", "--set", f"student = {{ model = '{name}'{said} }}").refused(code, message)
