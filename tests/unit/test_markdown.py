"""Tables in Markdown, read back by the rules of GitHub's."""

import re

from hypothesis import given
from hypothesis import strategies as st

from rilctl.markdown import table

_CELL = re.compile(r"(?:\\.|[^\\|\n])*")
"""What GitHub takes for a cell: characters, and pairs of a backslash and whatever it escapes."""


def cells_of(line: str) -> list[str]:
    inner = line.removeprefix("|").removesuffix("|")
    found, at = [], 0
    while True:
        match = _CELL.match(inner, at)
        assert match is not None
        found.append(match[0].strip())
        at = match.end()
        if at == len(inner):
            return found
        assert inner[at] == "|"
        at += 1


def test_a_table() -> None:
    assert table(["name", "score"], [["a", "1.0"], ["b", ""]], numbers_from=1) == (
        "| name | score |\n| --- | ---: |\n| a | 1.0 |\n| b |  |\n"
    )
    assert table(["name", "what"], [["a", "b"]]).splitlines()[1] == "| --- | --- |"
    assert table(["name"], []) == ""


def test_a_cell_stays_one_whatever_stands_in_it() -> None:
    assert table(["a|b"], [["one\n| two"], ["x\\|y"], ["x\\\\|y"], ["`a|b`"]]).splitlines() == [
        "| a\\|b |",
        "| --- |",
        "| one \\| two |",
        "| x\\|y |",  # it is escaped already
        "| x\\\\\\|y |",
        "| `a\\|b` |",
    ]


@given(st.lists(st.lists(st.text("a|\\ \n\r`-:"), min_size=2, max_size=2), min_size=1, max_size=4))
def test_as_many_lines_and_cells_as_were_given(rows: list[list[str]]) -> None:
    lines = table(["one", "two"], rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert all(len(cells_of(line)) == 2 for line in lines)
