"""`data show`, `data check` and `ask` as typed."""

import json
from pathlib import Path

import pytest
from PIL import Image

from rilctl.cli.thumbnails import thumbnail
from rilctl.quickstart.world import make_row

from .helpers import call

RECIPE = """
[data]
type = "jsonl"
path = "rows.jsonl"
columns = { images = "image" }

[student]
model = "pocket-student"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    rows = []
    for index in range(3):
        make_row("train", 0, index).image.save(tmp_path / f"{index}.png")
        rows.append({"id": f"q{index}", "image": f"{index}.png", "question": "sum of all digits", "answer": "7"})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_data_show_writes_one_object_for_each_row(workspace: Path) -> None:
    outcome = call(workspace, "data", "show", "recipe.toml", "--limit", "2", "--json")
    rows = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert (outcome.code, [row["id"] for row in rows]) == (0, ["q0", "q1"])
    assert rows[0]["images"] == [{"name": "rows.jsonl:1, image 1: 0.png", "size_px": [56, 56], "image_tokens": 4}]
    assert "sum of all digits" in rows[0]["prompts"]["student"] and rows[0]["answer"] == "7"
    plain = call(workspace, "data", "show", "recipe.toml", "--limit", "1").stdout
    assert "\x1b" not in plain and "  truth: 7\n" in plain
    (workspace / "data.toml").write_text(RECIPE.partition("[student]")[0])
    asked = call(workspace, "data", "show", "data.toml", "--limit", "1").stdout
    assert "  question: sum of all digits\n  truth: 7\n" in asked


def test_data_check_ends_with_3_where_a_picture_is_torn(workspace: Path) -> None:
    assert call(workspace, "data", "check", "recipe.toml").code == 0
    torn = workspace / "1.png"
    torn.write_bytes(torn.read_bytes()[:-40])
    outcome = call(workspace, "data", "check", "recipe.toml")
    assert outcome.code == 3
    assert "rejected by the data set: 1 row, image-truncated; the first: `q1`" in outcome.stdout
    report = call(workspace, "data", "check", "recipe.toml", "--json").report
    assert (report["ok"], report["num_rejected"], report["splits"]["train"]["num_rows"]) == (False, 1, 2)
    assert report["splits"]["train"]["image_tokens"]["total"] == 8


def test_ask_says_the_answer_on_stdout_and_what_was_seen_on_stderr(workspace: Path) -> None:
    plain = call(workspace, "ask", "student", "recipe.toml", "--image", "0.png", "sum of all digits")
    assert plain.code == 0 and plain.stdout.startswith("answer ")
    assert "picture: 56 x 56 px" in plain.stderr and "finish reason stop" in plain.stderr
    typed = call(
        workspace, "ask", "student", "recipe.toml", "--image", "0.png", "-", "--json", stdin=b"sum of all digits"
    )
    assert (typed.report["text"], typed.report["image_tokens"]) == (plain.stdout.rstrip("\n"), 4)
    call(workspace, "ask", "student", "recipe.toml").refused(2, "expected a model and a question, found 1")
    call(workspace, "ask", "student", "-", stdin=b" \n").refused(2, "the question is empty")


def test_a_thumbnail_has_two_pixels_in_a_character() -> None:
    from rich.console import Console

    image = Image.new("RGB", (4, 6), "#0000ff")
    image.putpixel((0, 0), (255, 0, 0))
    drawn = thumbnail(image, Console(force_terminal=True, color_system="truecolor"))
    lines = drawn.split("\n")
    assert [line.count("▀") for line in lines] == [4, 4, 4]
    assert lines[0].startswith("\x1b[38;2;255;0;0;48;2;0;0;255m▀")
    wide = thumbnail(Image.new("RGB", (4000, 1000)), Console(force_terminal=True, color_system="truecolor"))
    assert wide.split("\n")[0].count("▀") == 40
