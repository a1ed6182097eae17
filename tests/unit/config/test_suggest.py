from pathlib import Path

import pytest

from rilctl.config.suggest import did_you_mean, nearest, nearest_file


@pytest.mark.parametrize(
    ("word", "expected"),
    [("cache_teacher", "cache-teacher"), ("Trian", "train"), ("pretrain_disk", "pretrain-disc"), ("xyzzy", None)],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, ["cache-teacher", "train", "pretrain-disc", "eval"]) == expected


def test_did_you_mean_is_a_message_s_tail_or_nothing() -> None:
    assert did_you_mean("evla", ["eval"]) == "; did you mean `eval`?"
    assert did_you_mean("evla", []) == ""


def test_an_ending_that_files_share_is_no_likeness() -> None:
    siblings = [Path("a/recipe.toml"), Path("a/bin.toml")]
    assert nearest_file(Path("a/recpe.toml"), siblings) == Path("a/recipe.toml")
    assert nearest_file(Path("a/recipe.tml"), siblings) == Path("a/recipe.toml")
    assert nearest_file(Path("a/nosuch.toml"), siblings) is None
