"""Stand-ins for the 14 benchmarks' data sets: a few rows each, of our own making, with the real columns and splits.

`python -m tests.eval.stand_ins DIR` writes them as a mirror that `rilctl eval --data-dir DIR` reads. Every row comes
with an answer that is right, and one that is explicitly wrong, so that the scores of three answerers are known.
"""

from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset, Features

from .base import StandIn
from .choices import ai2d, blink, mmstar, seedbench, seedbench_2_plus
from .exams import mmmu, mmmu_pro_standard, mmmu_pro_vision
from .judged import mathvista, mmbench, mmvet, mmvet_v2
from .short import chartqa, realworldqa


def stand_ins() -> Iterator[StandIn]:
    """All of them, in the paper's order."""
    yield ai2d()
    yield chartqa()
    yield mathvista()
    yield mmbench("en", "Which colour is the square in picture {}?")
    yield mmbench("cn", "图片 {} 中的方块是什么颜色？")
    yield mmvet()
    yield mmvet_v2()
    yield mmmu()
    yield mmmu_pro_standard()
    yield mmmu_pro_vision()
    yield mmstar()
    yield from blink()
    yield seedbench()
    yield seedbench_2_plus()
    yield realworldqa()


def write(directory: Path) -> dict[str, tuple[str, str]]:
    """Write the mirror.

    Returns:
        The right and the wrong answer by `task/number of the document`, as `rilctl` names questions.
    """
    known: dict[str, tuple[str, str]] = {}
    cards: dict[str, list[str]] = {}
    for made in stand_ins():
        folder = directory / made.repository
        lines = cards.setdefault(made.repository, [])
        lines += [f"- config_name: {made.config}", "  data_files:"]
        for split, rows in made.splits.items():
            file = f"{made.config}/{split}-00000-of-00001.parquet"
            (folder / made.config).mkdir(parents=True, exist_ok=True)
            Dataset.from_list(rows, features=Features(made.features)).to_parquet(folder / file)
            lines += [f"  - split: {split}", f"    path: {file}"]
        for task in made.tasks:
            known |= {f"{task}/{i}": pair for i, pair in enumerate(zip(made.right, made.wrong, strict=True))}
    for repository, lines in cards.items():
        (directory / repository / "README.md").write_text("\n".join(["---", "configs:", *lines, "---", ""]))
    return known
