"""Broken inputs are refused in rilctl's own words, and soon: what fuzzing found, and a little more of it.

`nox -s fuzz` looks for more.
"""

from pathlib import Path

import pytest

from .fuzz import CORPUS, fuzz_kind, kept, verdict
from .readers import KINDS

SLOW = [name for name in KINDS if name.startswith("model-") or name == "parquet"]


@pytest.mark.parametrize("name", KINDS)
def test_good_inputs_are_read(name: str) -> None:
    kind = KINDS[name]
    said = [verdict(kind, content) for content in kind.seeds()]
    assert "read" in said and set(said) <= {"read", "refused"}, said


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*/*")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_was_found_is_mended(file: Path) -> None:
    assert verdict(KINDS[file.parent.name], file.read_bytes()) in ("read", "refused")


@pytest.mark.parametrize("name", [name for name in KINDS if name not in SLOW])
def test_a_little_more(name: str, tmp_path: Path) -> None:
    counts = fuzz_kind(name, 20, 0, tmp_path, most=60)
    assert set(counts) <= {"read", "refused"}, counts
    assert counts["refused"] or name in ("jsonl", "piped", "verdict"), counts  # whose rows are rejected one by one


def test_the_corpus_is_of_kinds_that_there_are() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} <= set(KINDS)
    assert all(kept(folder.name) for folder in CORPUS.iterdir())
