from rilctl.reporting.tables import HEADER, AccuracyRow, accuracy_cells, markdown_table

ROWS = [
    AccuracyRow(name="base", accuracy=0.29, low=0.262, high=0.3185, questions=1024),
    AccuracyRow(name="my run", accuracy=1.0, low=0.996, high=1.0, questions=1024),
]


def test_cells_are_in_per_cent_and_known_arms_have_titles() -> None:
    assert accuracy_cells(ROWS) == [
        ("base", "29.0 %", "26.2 to 31.9", "1,024"),
        ("my run", "100.0 %", "99.6 to 100.0", "1,024"),
    ]
    assert accuracy_cells([ROWS[0].model_copy(update={"name": "ril"})])[0][0] == "RIL"


def test_markdown_has_a_header_and_a_line_per_row() -> None:
    lines = markdown_table(ROWS).splitlines()
    assert lines[0] == f"| {' | '.join(HEADER)} |"
    assert lines[2] == "| base | 29.0 % | 26.2 to 31.9 | 1,024 |"
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 4
