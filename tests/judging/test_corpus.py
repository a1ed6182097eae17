"""The labelled answers have the form that their README promises."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from rilctl.schemas.answers import accepted_answers, answer_text

CORPUS = Path(__file__).with_name("corpus")
FILES = {path.stem: path for path in sorted(CORPUS.glob("*.jsonl"))}
KEYS = {"id": str, "style": str, "question": str, "answer": (str, int, float, list), "text": str, "right": bool}


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILES[name].read_text(encoding="utf-8").splitlines()]


EVERY = [case for name in FILES for case in cases(name)]


@pytest.mark.parametrize("name", FILES)
def test_each_line_is_one_case(name: str) -> None:
    for case in cases(name):
        assert list(case) == list(KEYS), case
        assert all(isinstance(case[key], kind) for key, kind in KEYS.items()), case
        assert case["question"] and case["id"].startswith(case["style"]), case


def test_ids_are_unique() -> None:
    ids = [case["id"] for case in EVERY]
    assert len(set(ids)) == len(ids)


def test_no_answer_is_judged_twice() -> None:
    keys = [(case["question"], json.dumps(case["answer"]), case["text"]) for case in EVERY]
    assert len(set(keys)) == len(keys)


def test_no_question_stands_in_two_parts() -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for name in FILES:
        for case in cases(name):
            parts[case["question"]].add(name)
    assert [question for question, names in parts.items() if len(names) > 1] == []


def test_the_third_blind_part_is_half_right_and_half_wrong() -> None:
    labels = [case["right"] for case in cases("blind-3")]
    assert len(labels) >= 1200
    assert sum(labels) * 2 == len(labels)


def test_every_ground_truth_can_be_judged() -> None:
    for case in EVERY:
        assert all(text.strip() for text in accepted_answers(answer_text(case["answer"], "answer"))), case


@pytest.mark.parametrize("name", FILES)
def test_every_style_has_right_and_wrong_answers(name: str) -> None:
    labels: dict[str, list[bool]] = defaultdict(list)
    for case in cases(name):
        labels[case["style"]].append(case["right"])
    for style, of_style in labels.items():
        assert 0.3 <= sum(of_style) / len(of_style) <= 0.7, style
