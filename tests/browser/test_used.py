"""What a person does with the page: reads values, searches, filters, walks by keys; texts stay texts."""

import itertools

import pytest
from playwright.sync_api import Page, expect

from rilctl.schemas.report_rollouts import ReportGroup, ReportRow
from tests.browser.conftest import Open
from tests.unit.views.page_parts import HOSTILE
from tests.unit.views.page_reports import made_report

REPORT = made_report(num_groups=40)


def groups_with(keep: object) -> list[tuple[ReportGroup, list[ReportRow]]]:
    assert callable(keep) and REPORT.rollouts
    found = [(group, [row for row in group.rows if keep(group, row)]) for group in REPORT.rollouts.groups]
    return [(group, rows) for group, rows in found if rows]


def expect_shown(page: Page, keep: object) -> None:
    found = groups_with(keep)
    assert found
    num_rows = sum(len(rows) for _, rows in found)
    groups, rows = ("" if number == 1 else "s" for number in (len(found), num_rows))
    expect(page.locator("#shown")).to_have_text(f"{len(found)} group{groups}, {num_rows} row{rows}")
    assert page.locator("#groups [role=option]").count() == len(found)


def chosen(page: Page) -> str:
    return page.locator("#groups [aria-selected=true] .where").inner_text()


def test_search_finds_words_of_questions_and_responses(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#search").fill("IN PICTURE 3")
    expect_shown(page, lambda group, row: "in picture 3" in group.question)
    page.locator("#search").fill("the answer is 17")
    expect_shown(page, lambda group, row: "the answer is 17" in row.text)
    assert set(page.locator("#group mark").all_inner_texts()) == {"the answer is 17"}
    page.locator("#search").fill("nobody says this")
    expect(page.locator("#group")).to_contain_text("No row is like that")
    page.get_by_role("button", name="Clear").click()
    expect_shown(page, lambda group, row: True)


@pytest.mark.parametrize(
    ("select", "value", "keep"),
    [
        ("#by-step", "4", lambda group, row: group.step == 4),
        ("#by-side", "teacher", lambda group, row: row.side == "teacher"),
        ("#by-verdict", "wrong", lambda group, row: row.verdict == "wrong"),
        ("#by-source", "qwen72b", lambda group, row: row.source == "qwen72b"),
        ("#by-question", "digits-3", lambda group, row: group.sample_id == "digits-3"),
        ("#by-tag", "flipped", lambda group, row: "flipped" in row.tags),
    ],
)
def test_filters_show_the_rows_that_are_asked_for(open_page: Open, select: str, value: str, keep: object) -> None:
    page = open_page(REPORT)
    page.locator(select).select_option(value)
    expect_shown(page, keep)


def test_filters_add_up(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#by-side").select_option("student")
    page.locator("#by-verdict").select_option("right")
    page.locator("#search").fill("picture 2")
    expect_shown(page, lambda g, r: r.side == "student" and r.verdict == "right" and "picture 2" in g.question)


def test_sorting_puts_the_lowest_reward_first(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#sort").select_option("longest response first")
    longest = max((row.num_tokens, -group.step) for group, rows in groups_with(lambda g, r: True) for row in rows)
    first = page.locator("#groups [role=option] .where").first.inner_text()
    assert first == f"step {-longest[1]}"


def test_the_histogram_filters_by_click_by_drag_and_by_key(open_page: Open) -> None:
    page = open_page(REPORT)
    bins = page.locator("#histogram .bin")
    assert bins.count() == 3
    bins.nth(0).click()
    expect_shown(page, lambda group, row: row.reward == 0)
    assert bins.nth(0).get_attribute("aria-pressed") == "true"
    page.locator("#histogram .bin").nth(0).click()
    expect_shown(page, lambda group, row: True)
    bins.nth(1).hover(position={"x": 20, "y": 40})  # when it stands still there, and nothing is above it
    page.mouse.down()
    bins.nth(2).hover(position={"x": 20, "y": 40})
    page.mouse.up()
    expect_shown(page, lambda group, row: row.reward is not None and row.reward >= 1)
    page.get_by_role("button", name="Clear").click()
    bins.nth(2).focus()
    page.keyboard.press("Enter")
    expect_shown(page, lambda group, row: row.reward == 2)


def test_keys_walk_search_and_clear(open_page: Open) -> None:
    page = open_page(REPORT)
    steps = [f"step {group.step}" for group, _ in groups_with(lambda g, r: True)]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert chosen(page) == steps[2]
    page.keyboard.press("k")
    assert chosen(page) == steps[1]
    page.keyboard.press("ArrowDown")
    assert chosen(page) == steps[2]
    page.keyboard.press("ArrowRight")
    assert chosen(page) == steps[9]  # the same question seven groups later
    page.keyboard.press("/")
    page.keyboard.type("picture 5")
    expect_shown(page, lambda group, row: "picture 5" in group.question)
    page.keyboard.press("Escape")
    expect_shown(page, lambda group, row: True)
    assert page.evaluate("document.activeElement.id") == "groups"


def test_one_step_is_read_in_all_charts(open_page: Open) -> None:
    page = open_page(REPORT)
    drawing = page.locator("#chart-entropy .drawing > svg")
    drawing.focus()
    page.keyboard.press("Home")
    expect(page.locator("#cursor-step")).to_have_text("At step 1.")
    first = next(chart for chart in REPORT.charts if chart.name == "grad-norm").lines[0].points[0][1]
    assert float(page.locator("#chart-grad-norm .legend b").inner_text()) == pytest.approx(first, rel=0.01)  # 3 digits
    assert page.locator("#said").inner_text().startswith("step 1: ril ")
    drawing.hover(position={"x": 200, "y": 60})
    expect(page.locator("#chart-entropy .tip")).to_be_visible()
    shown = page.locator(".cursor[visibility=visible]").count()
    assert shown == page.locator("[data-chart]").count()
    page.mouse.move(5, 5)
    expect(page.locator("#chart-entropy .tip")).to_be_hidden()


def test_a_chart_leads_to_the_rollouts_of_its_step(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#chart-entropy .drawing > svg").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    last = max(group.step for group, _ in groups_with(lambda g, r: True))
    expect_shown(page, lambda group, row: group.step == last)
    expect(page.locator("#groups")).to_be_focused()
    page.locator("#chart-grad-norm .drawing > svg").dblclick(position={"x": 60, "y": 60})
    expect_shown(page, lambda group, row: group.step == int(page.locator("#by-step").input_value()))
    assert int(page.locator("#by-step").input_value()) < last / 2


def test_a_warning_leads_to_the_rollouts_of_its_run_and_step(open_page: Open) -> None:
    two = made_report(num_groups=60, names=("ril", "dr-grpo"))
    page = open_page(two)
    page.get_by_role("button", name="Rollouts of step 30").click()
    expect(page.locator("#by-run")).to_have_value("ril")
    expect(page.locator("#groups [role=option] .where")).to_have_text("ril · step 30")


def test_smoothing_can_be_left_out(open_page: Open) -> None:
    page = open_page(REPORT)
    assert page.locator("#chart-entropy .drawing path.raw").count() == 1
    page.locator("#smooth").uncheck()
    assert page.locator("#chart-entropy .drawing path.raw").count() == 0
    assert page.locator("#chart-entropy .drawing path.line").count() == 1


def test_charts_are_tables_as_well(open_page: Open) -> None:
    page = open_page(REPORT)
    page.locator("#chart-reward-answer .as-table summary").click()
    table = page.locator("#chart-reward-answer table")
    expect(table.locator("tbody tr")).to_have_count(60)
    assert table.locator("thead th").all_inner_texts() == ["Step", "students", "teachers"]


def test_flips_can_be_chosen_and_begin_with_the_lost(open_page: Open) -> None:
    page = open_page(REPORT)
    shown = page.locator("#flips li.flip:visible")
    assert shown.count() == 6 and shown.first.get_attribute("data-way") == "lost"
    page.get_by_role("button", name="Lost").click()
    assert shown.count() == 3
    page.get_by_role("button", name="Gained").click()
    page.get_by_role("button", name="Show 11 more").click()
    assert shown.count() == 17
    assert shown.first.locator("img").evaluate("one => one.naturalWidth") > 0


def test_hostile_texts_stay_texts(open_page: Open) -> None:
    page = open_page(REPORT)
    for index in range(3):
        assert page.locator("#group .question").inner_text().split() == HOSTILE[index].split()
        page.keyboard.press("j")
    assert page.evaluate("window.hacked") is None
    assert page.locator("b", has_text="bold?").count() == 0
    assert page.locator("img:not([src^='data:image/'])").count() == 0
    assert page.locator("script").count() == 3


def test_a_screen_reader_finds_its_way(open_page: Open) -> None:
    page = open_page(REPORT)
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1 and all(after - before <= 1 for before, after in itertools.pairwise(levels))
    named = 'one.getAttribute("aria-label") || one.labels?.length || one.innerText?.trim()'
    unnamed = f"all => all.filter((one) => !({named}))"
    for kind in ("button", "input", "select", "svg[role=img]", "section:not([aria-labelledby])", "[role=button]"):
        assert page.locator(kind).evaluate_all(f"all => ({unnamed})(all).length") == 0, kind
    page.locator("#search").focus()
    assert page.locator("#search").evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    assert page.locator("img").evaluate_all("all => all.filter((one) => !one.alt).length") == 0
