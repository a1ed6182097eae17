import pytest

from rilctl.config.suggest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "expected"),
    [("cache_teacher", "cache-teacher"), ("Trian", "train"), ("pretrain_disk", "pretrain-disc"), ("xyzzy", None)],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, ["cache-teacher", "train", "pretrain-disc", "eval"]) == expected


def test_did_you_mean_is_a_message_s_tail_or_nothing() -> None:
    assert did_you_mean("evla", ["eval"]) == "; did you mean `eval`?"
    assert did_you_mean("evla", []) == ""
