"""The Python blocks of the documentation do what their pages say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from rilctl.cli.output import hush_deepspeed

DOCS = Path(__file__).resolve().parent.parent / "docs"
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_python_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hush_deepspeed()
    page = DOCS / "python.md"
    text = page.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    assert {block["language"] for block in blocks} == {"python", "text"}
    names: dict[str, object] = {}
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block["language"] == "python":
            printed = io.StringIO()
            padding = "\n" * text[: block.start("text")].count("\n")  # a traceback's lines are the page's
            with contextlib.redirect_stdout(printed):
                exec(compile(padding + block["text"], str(page), "exec"), names)
            expected = after["text"] if after and after["language"] == "text" else ""
            assert printed.getvalue() == expected, block["text"]
