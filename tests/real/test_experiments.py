"""The second world of the experiments: easy-vqa's rows, and a model that can read them."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from rilctl.config.judge import RuleJudgeConfig
from rilctl.engines.judging.base import JudgeRequest
from rilctl.engines.judging.open import judge_by_rules

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))  # last, so that it hides nothing

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("easy_vqa")
    from experiments.easy_vqa.rows import write_rows

    folder = tmp_path_factory.mktemp("easy-vqa")
    write_rows(folder, SEEDS)
    return folder


def rows_of(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_no_picture_is_used_twice_for_different_ends(folder: Path) -> None:
    see = {row["image"] for row in rows_of(folder, "see")}
    held_out = {row["image"] for row in rows_of(folder, "validation")}
    test = {row["image"] for row in rows_of(folder, "test")}
    questions = [row["id"] for seed in SEEDS for row in rows_of(folder, str(seed))]
    trained = {row["image"] for seed in SEEDS for row in rows_of(folder, str(seed))}
    assert not see & (held_out | trained) and not held_out & trained and all("test-" in image for image in test)
    assert len(questions) == len(set(questions)) == 384 * len(SEEDS) and len(rows_of(folder, "test")) == 600


def test_colours_and_shapes_are_asked_about_equally_often_and_no_answer_is_common(folder: Path) -> None:
    rows = rows_of(folder, "test")
    kinds = Counter(row["kind"] for row in rows)
    assert set(kinds) == {"colour", "shape"} and min(kinds.values()) > 250
    assert max(Counter(row["answer"] for row in rows).values()) < 130


def test_every_style_is_read_by_the_rules(folder: Path) -> None:
    judge = judge_by_rules(RuleJudgeConfig())
    for style in ("word", "strong", "weak"):
        rows = rows_of(folder, f"see-{style}")[:200]
        asked = [JudgeRequest(row["question"], row["answer"], row["response"]) for row in rows]
        assert all(verdict.correct for verdict in judge.verdicts(asked))
