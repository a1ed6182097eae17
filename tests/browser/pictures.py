"""Pictures of a report for the documentation: `python -m tests.browser.pictures PAGE NAME [PART] [dark|phone]`.

Takes what is to be seen from a part of the page (`result`, `rollouts`, ...) on, and writes docs/images/report-NAME.png.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import NAMES

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def main(page_file: str, name: str, part: str = "", look: str = "") -> None:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=found) as browser:
        page = browser.new_page(
            viewport={"width": 390, "height": 844} if look == "phone" else {"width": 1180, "height": 900},
            color_scheme="dark" if look == "dark" else "light",
            reduced_motion="reduce",
        )
        page.goto(Path(page_file).resolve().as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        if part:
            page.evaluate("(id) => document.getElementById(id).scrollIntoView()", part)
        taken = page.screenshot()
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(IMAGES / f"report-{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
