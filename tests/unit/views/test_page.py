"""The page as text: one file, nothing from outside, no text of a report as markup."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rilctl.views.page
from rilctl.schemas.report_result import Score
from rilctl.views.page import render
from rilctl.views.page.choices import comparable, flat_charts, kept_step
from rilctl.views.page.formats import amount, anchor, chance, duration, moment, percent, percent_score, plural

from .page_parts import HOSTILE
from .page_reports import made_report

HERE = Path(rilctl.views.page.__file__).parent
VOID = {"meta", "link", "input", "br", "img", "wbr"}


class Read(HTMLParser):
    """Elements as they open and close, and what stands in scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render(made_report())


@pytest.fixture(scope="module")
def read(page: str) -> Read:
    return Read(page)


def test_every_element_is_closed_and_every_id_is_there_once(read: Read) -> None:
    assert read.open == []
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"]) for tag, attributes in read.tags if tag == "a"}
    assert links and {link.removeprefix("#") for link in links} <= set(ids)


def test_nothing_comes_from_outside(read: Read) -> None:
    asked = [value for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(str(value).startswith(("#", "data:")) for value in asked)
    assert not re.search(r"@import|url\((?!#)", read.raw["style"][0])
    assert not [name for tag, attributes in read.tags for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in read.tags if "style" in attributes]


def test_the_policy_names_the_scripts_and_the_style_and_nothing_else(read: Read) -> None:
    (policy,) = [str(attributes["content"]) for _, attributes in read.tags if "http-equiv" in attributes]
    data, library, script = read.raw["script"]
    assert policy.startswith("default-src 'none'; ")
    named = re.findall(r"'(sha256-[^']+)'", policy)
    assert named == [
        f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}" for text in (library, script, *read.raw["style"])
    ]
    assert "unsafe" not in policy and "http" not in policy
    assert json.loads(data)["runs"][0]["name"] == "ril"


def test_texts_stay_texts(page: str, read: Read) -> None:
    assert "<script>window.hacked" not in page and "<img src=x" not in page and "\u2028" not in read.raw["script"][0]
    assert len(read.raw["script"]) == 3
    assert any(HOSTILE[0] in text for text in read.texts)
    groups = json.loads(read.raw["script"][0])["rollouts"]["groups"]
    assert [groups[index]["question"] for index in range(3)] == list(HOSTILE)


def test_scripts_make_no_markup_of_texts_and_run_no_text() -> None:
    scripts = {path.name: path.read_text() for path in (HERE / "scripts").glob("*.js")}
    banned = re.compile(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(|XMLHttp|import\("
    )
    assert not {name for name, text in scripts.items() if banned.search(text)}
    assert not {name for name, text in scripts.items() if len(text.splitlines()) > 200}


def test_every_script_and_part_of_the_library_is_in_the_page(page: str) -> None:
    for path in (*(HERE / "scripts").glob("*.js"), *(HERE / "vendor").glob("*.js")):
        assert path.read_text().strip() in page, path.name
    assert "d3-shape" in (HERE.parents[3] / "NOTICE").read_text()


def test_a_report_of_nothing_is_a_page() -> None:
    full = made_report()
    empty = {name: [] for name, value in full if isinstance(value, list)}
    lineage = full.lineage.model_copy(update={"boxes": [], "arrows": []})
    page = render(full.model_copy(update={**empty, "rollouts": None, "lineage": lineage}))
    assert Read(page).open == [] and "Nothing was measured yet" in page


def test_a_long_report_stays_small() -> None:
    pictures = made_report(1000, 300).pictures.by_digest.values()
    assert len(render(made_report(1000, 300))) - sum(len(picture.data_uri) for picture in pictures) < 2e6


def test_a_warning_leads_to_rollouts_that_are_there() -> None:
    report = made_report()
    steps = {group.step for group in report.rollouts.groups} if report.rollouts else set()
    assert kept_step(report, "ril", 29) in steps and kept_step(report, "ril", 29, "digits-1") in steps
    assert kept_step(report, "pretrain", 29) is None and kept_step(report, "ril", None) is None
    other = report.signs[0].model_copy(update={"run": "pretrain"})
    page = render(report.model_copy(update={"signs": [report.signs[0], other]}))
    assert page.count('id="sign-entropy-collapse"') == 1
    assert page.count('class="link" data-step=') == 1 and ">Rollouts of step 31 (nearest kept)<" in page


def test_a_chart_of_zeros_is_a_line_unless_something_points_at_it() -> None:
    report = made_report()
    zero = {"judge-missing", "entropy"}
    charts = [
        chart.model_copy(
            update={
                "lines": [line.model_copy(update={"points": [(1, 0.0)], "band": []}) for line in chart.lines],
            }
        )
        if chart.name in zero
        else chart
        for chart in report.charts
    ]
    report = report.model_copy(update={"charts": charts})
    assert flat_charts(report) == ["judge-missing"]
    page = render(report)
    assert 'id="chart-judge-missing"' not in page and "0 throughout, and not drawn: Missing verdicts." in page


def test_one_size_alone_is_no_picture_of_sizes() -> None:
    report = made_report()
    assert comparable(report.sizes) == report.sizes
    assert comparable([report.sizes[0], report.sizes[0]]) == []
    assert 'data-draw="sizes"' not in render(report.model_copy(update={"sizes": report.sizes[:1]}))


def test_numbers_are_for_people() -> None:
    assert [percent(0.275), percent(1.0), percent(0)] == ["27.5 %", "100 %", "0 %"]
    assert percent_score(Score(value=0.98, low=0.95, high=0.992)) == "98 % (95 to 99.2 %)"
    assert percent_score(Score(value=0.5)) == "50 %"
    assert [duration(2.75), duration(75), duration(4000)] == ["2.8 s", "1 min 15 s", "1 h 6 min"]
    assert [amount(820_000), amount(7.6e9), amount(12)] == ["820 k", "7.6 B", "12"]
    assert [plural(1, "row"), plural(1200, "row"), chance(1e-9), chance(0.0312)] == [
        "1 row",
        "1,200 rows",
        "p < 0.001",
        "p = 0.031",
    ]
    assert [moment("2026-11-08T00:17:03+00:00"), moment("then")] == ["8 Nov 2026, 00:17 UTC", "then"]
    assert anchor("chart:entropy") == "chart-entropy"
