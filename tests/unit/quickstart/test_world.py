"""The pocket world: splits, determinism, answers and images."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from rilctl.quickstart import world

MIXED = world.cross(dict.fromkeys(world.KINDS, 1.0), dict.fromkeys(world.STYLES, 1.0))
PLACE = {name: index for index, name in enumerate(world.POSITIONS)}


def recomputed(question: str, digits: tuple[int, ...]) -> str:
    """The answer, found from the question's words alone."""
    names = re.findall("top left|top right|bottom left|bottom right|[0-9]", question)
    asked = [int(name) if name.isdigit() else digits[PLACE[name]] for name in names]
    for place, name in enumerate(world.POSITIONS):
        if any(word in name.split() for word in re.findall(r"(\w+) (?:row|column)", question)):
            asked.append(digits[place])
    if question == "read all":
        return "".join(map(str, digits))
    if question.startswith("read"):
        return "".join(map(str, asked))
    first, second = asked
    return str(abs(first - second) if question.startswith(("gap", "compare")) else first + second)


def test_splits_share_no_scan_and_use_all() -> None:
    scans = [scan for split in world.SPLITS for scan in world.split_scans(split)]
    assert sorted(scans) == list(range(world.NUM_SCANS))


@pytest.mark.parametrize("split", world.SPLITS)
def test_rows_show_only_scans_of_their_split(split: world.Split) -> None:
    allowed = set(world.split_scans(split))
    assert all(allowed.issuperset(row.scans) for row in world.make_rows(split, 0, 200))


def test_every_split_has_every_digit() -> None:
    labels = world.scan_labels()
    assert all({labels[scan] for scan in world.split_scans(split)} == set(range(10)) for split in world.SPLITS)


def test_rows_depend_only_on_split_seed_and_index() -> None:
    rows = list(world.make_rows("train", 3, 20, MIXED))
    assert rows == [world.make_row("train", 3, index, MIXED) for index in range(20)]
    assert rows != list(world.make_rows("train", 4, 20, MIXED))
    assert len({row.id for row in rows}) == 20


def test_a_known_row_stays_as_it_is() -> None:
    row = world.make_row("test", 0, 0)
    assert (row.id, row.scans, row.digits) == ("test-0-000000", (1227, 1416, 1487, 95), (1, 1, 0, 6))
    assert (row.question, row.answer) == ("gap of left column", "1")


def test_digits_are_the_labels_of_the_scans() -> None:
    labels = world.scan_labels()
    assert all(row.digits == tuple(labels[scan] for scan in row.scans) for row in world.make_rows("test", 1, 50))


def test_answers_follow_from_question_and_digits() -> None:
    rows = list(world.make_rows("validation", 0, 600, MIXED))
    assert {row.kind for row in rows} == set(world.KINDS)
    assert [row.answer for row in rows] == [recomputed(row.question, row.digits) for row in rows]


def test_every_style_ends_in_the_answer_and_worked_ones_are_right() -> None:
    for row in world.make_rows("train", 0, 300, MIXED):
        assert all(text.endswith(f"answer {row.answer}") for text in row.texts.values())
        assert row.response == row.texts[row.style]
        computed = re.fullmatch(r"i see (\d)([+-])(\d)=(\d+)\. answer \d+", row.texts["worked"])
        if computed:
            first, sign, second, result = computed.groups()
            exact = int(first) + int(second) if sign == "+" else abs(int(first) - int(second))
            assert int(result) == exact


def test_default_questions_need_two_digits() -> None:
    assert not {row.kind for row in world.make_rows("test", 0, 300)} & {"read", "read_two", "read_all"}


def test_weights_decide_kind_and_style() -> None:
    mix: world.Mix = {("gap", "listed"): 3.0, ("sum", "short"): 1.0, ("sum", "worked"): 0.0}
    drawn = Counter((row.kind, row.style) for row in world.make_rows("train", 0, 400, mix))
    assert set(drawn) == {("gap", "listed"), ("sum", "short")}
    assert 0.68 < drawn["gap", "listed"] / 400 < 0.82


def test_cross_multiplies_weights() -> None:
    assert world.cross({"sum": 2, "gap": 1}, {"short": 3}) == {("sum", "short"): 6, ("gap", "short"): 3}


def test_images_contain_the_scans_in_place() -> None:
    row = world.make_row("train", 0, 1)
    image = row.image
    assert (image.size, image.mode) == ((world.IMAGE_PX, world.IMAGE_PX), "RGB")
    pixels = np.asarray(image)
    side = world.SCAN_PX
    for place, scan in enumerate(row.scans):
        top, left = place // 2 * side, place % 2 * side
        quarter = pixels[top : top + side, left : left + side]
        assert np.array_equal(quarter, np.repeat(np.asarray(world.scan_image(scan))[..., None], 3, axis=2))


def test_scans_are_the_published_ones_enlarged() -> None:
    from sklearn.datasets import load_digits

    published = load_digits()
    assert world.scan_labels() == tuple(published.target)
    for scan in (0, 5, world.NUM_SCANS - 1):
        shrunk = np.asarray(world.scan_image(scan).resize((8, 8))).astype(float)
        assert np.corrcoef(shrunk.ravel(), published.images[scan].ravel())[0, 1] > 0.97


def test_stated_pixel_statistics_hold() -> None:
    pixels = np.stack([np.asarray(row.image) for row in world.make_rows("train", 0, 400)]) / 255
    assert pixels.mean() == pytest.approx(world.PIXEL_MEAN, abs=0.02)
    assert pixels.std() == pytest.approx(world.PIXEL_STD, abs=0.02)
