from rilctl.reporting.tables import HEADER, arm_cells, markdown_table, said_seconds
from rilctl.testing.compared import compared_arm

ARMS = [compared_arm("base", 0.29), compared_arm("my-run", 1.0, seconds=None)]


def test_cells_are_in_per_cent_and_what_was_not_measured_is_absent() -> None:
    assert arm_cells(ARMS) == [
        ("base", "29.0 %", "26.0 to 32.0", "1", "115,766", "30 s"),
        ("my-run", "100.0 %", "97.0 to 100.0", "1", "115,766", "-"),
    ]


def test_markdown_says_what_each_arm_is() -> None:
    lines = markdown_table(ARMS).splitlines()
    assert lines[0] == f"| arm | what it is | {' | '.join(HEADER[1:])} |"
    assert lines[2] == "| `base` | what base is | 29.0 % | 26.0 to 32.0 | 1 | 115,766 | 30 s |"
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 4


def test_seconds_are_said_in_the_largest_unit_that_leaves_two_or_more() -> None:
    said = [said_seconds(each) for each in (7.4, 119, 600, 7199, 90_000)]
    assert said == ["7 s", "119 s", "10 min", "120 min", "25 h"]
