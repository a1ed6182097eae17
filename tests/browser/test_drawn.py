"""Every part of the page is drawn: charts with marks, in light, dark, on a phone, on paper, and soon."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.unit.views.page_parts import SHOWN
from tests.unit.views.page_reports import made_report

MARKS = "path.line, path.dot, path.area, rect.area, path.arrow, path.whisker"
CONTRAST = """(names) => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    const parts = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  return names.map(([ink, paper]) => {
    const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  });
}"""
READ = [(ink, paper) for ink in ("--text", "--faint", "--accent", "--good", "--bad") for paper in ("--back", "--panel")]
READ += [("--good", "--good-back"), ("--bad", "--bad-back"), ("--look", "--look-back"), ("--text", "--mark")]
DRAWN = [(f"--c{index}", "--panel") for index in range(8)]


def drawings(page: Page) -> list[str]:
    return page.eval_on_selector_all(".drawing > svg, .drawing figure svg", "all => all.map((one) => one.outerHTML)")


@pytest.mark.parametrize("names", [("ril",), ("ril", "dr-grpo")], ids=["one run", "two runs"])
def test_every_chart_has_marks_and_no_number_is_missing(open_page: Open, names: tuple[str, ...]) -> None:
    page = open_page(made_report(names=names))
    assert page.locator("[data-chart] .drawing > svg").count() == len(SHOWN) + 1
    assert len(drawings(page)) == len(SHOWN) + 1 + 3 + 4 + 2  # three benchmarks; accuracy, size, pictures, lineage
    for drawn in drawings(page):
        assert not [odd for odd in ("NaN", "undefined", "[object", "Infinity") if odd in drawn]
    for drawing in page.locator(".drawing > svg").all():
        sizes = drawing.locator(MARKS).evaluate_all(
            "all => all.map((one) => one.getBBox()).map((b) => b.width + b.height)"
        )
        assert sizes and max(sizes) > 2


def test_curves_of_several_runs_differ_without_colour(open_page: Open) -> None:
    page = open_page(made_report(names=("ril", "dr-grpo")))
    dashes = page.locator("#chart-entropy path.line[stroke-dasharray]").evaluate_all(
        "all => all.map((one) => one.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 2


def test_a_warning_stands_in_its_chart(open_page: Open) -> None:
    page = open_page(made_report())
    assert page.locator("#chart-entropy .warned path").count() == 2
    page.get_by_role("link", name="Show the chart").click()
    expect(page.locator("#chart-entropy")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_told_from_their_ground(open_page: Open, scheme: str) -> None:
    page = open_page(made_report(), scheme=scheme)
    read, drawn = (page.evaluate(CONTRAST, pairs) for pairs in (READ, DRAWN))
    assert min(read) >= 4.5  # WCAG AA: text
    assert min(drawn) >= 3  # and what is drawn


def test_light_and_dark_can_be_chosen(open_page: Open) -> None:
    page = open_page(made_report(), scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    seen = [page.evaluate(ground)]
    for _ in range(3):
        page.locator("#theme").click()
        seen.append(page.evaluate(ground))
    system, light, dark, again = seen
    assert system == dark == again != light


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(open_page: Open, width: int) -> None:
    page = open_page(made_report(names=("ril", "a-run-with-quite-a-long-name-of-its-own")), width=width)
    for details in page.locator(".about, .as-table").all():
        details.evaluate("one => { one.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_follow_the_width(open_page: Open) -> None:
    page = open_page(made_report())
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_function("document.querySelector('#chart-entropy svg').viewBox.baseVal.width < 340")


def test_paper_has_what_can_be_read_and_nothing_to_press(open_page: Open) -> None:
    page = open_page(made_report())
    page.emulate_media(media="print")
    assert page.locator("button:visible, select:visible, input:visible, nav:visible").count() == 0
    assert page.locator("[data-chart] svg:visible").count() >= len(SHOWN)
    assert page.pdf()[:5] == b"%PDF-"


def test_a_report_of_a_thousand_steps_opens_within_two_seconds(open_page: Open) -> None:
    report = made_report(num_steps=1000, num_groups=300)
    loads = []
    for _ in range(3):  # the machine may be busy
        page = open_page(report)
        loads.append(page.evaluate("performance.now() - performance.getEntriesByType('navigation')[0].startTime"))
    assert min(loads) < 2000
    assert page.locator("#groups [role=option]").count() == 300
    assert len(page.content().encode()) < 15e6
