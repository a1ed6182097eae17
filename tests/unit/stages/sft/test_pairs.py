"""What is preferred to what."""

import pytest

from rilctl.data.conversation import Conversation
from rilctl.errors import ConfigError
from rilctl.stages.sft.pairs import pair_up
from rilctl.stages.sft.rows import SftRow, Unit


def rows(source: str, **texts: str) -> list[SftRow]:
    """A row for each letter, by question."""
    return [
        SftRow(name, Conversation.of(name), text, True, source, place)
        for name, of_question in texts.items()
        for place, text in enumerate(of_question)
    ]


def own(**texts: str) -> dict[str, list[SftRow]]:
    return {name: rows("student", **{name: of_question}) for name, of_question in texts.items()}


def texts(pairs: list[Unit]) -> list[str]:
    return ["".join(row.text for row in pair) for pair in pairs]


def test_each_response_is_preferred_once_and_the_students_take_turns() -> None:
    pairs, left_out = pair_up(rows("qwen", a="xyz", b="xy"), own(a="mn", b="mnop"))
    assert texts(pairs) == ["xm", "yn", "zm", "xm", "yn"]
    assert all(left.source == "qwen" and right.source == "student" for left, right in pairs)
    assert left_out == {}


def test_nothing_is_preferred_to_itself() -> None:
    pairs, left_out = pair_up(rows("qwen", a="xyx", b="z", c="w"), own(a="xm", b="zz", c=""))
    assert texts(pairs) == ["xm", "ym", "xm"]  # y's turn is the second own response
    assert left_out == {"no-own-response": 1, "same-as-own": 1}


def test_no_pair_at_all_is_said_with_its_reasons() -> None:
    with pytest.raises(ConfigError, match="1 no-own-response, 2 same-as-own") as refused:
        pair_up(rows("qwen", a="xx", b="y"), own(a="x"))
    assert "num_responses" in (refused.value.hint or "")
