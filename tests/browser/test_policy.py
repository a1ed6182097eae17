"""The page's own policy: even a script that came in could ask for nothing, and would not run."""

from pathlib import Path

from playwright.sync_api import Browser

from rilctl.views.page import render
from tests.unit.views.page_reports import made_report

INJECTED = """() => {
  const script = document.createElement("script");
  script.textContent = "window.hacked = 1";
  document.body.append(script);
  const image = document.createElement("img");
  image.src = "http://127.0.0.1:9/beacon.png";
  document.body.append(image);
  return fetch("http://127.0.0.1:9/beacon").then(() => "went", () => "refused");
}"""


def test_what_is_injected_neither_runs_nor_asks(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(made_report()), encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert page.evaluate(INJECTED) == "refused"
    assert page.evaluate("window.hacked") is None
    assert len([text for text in said if "Content Security Policy" in text]) >= 3
    page.close()
