"""easy-vqa (MIT, 5,000 pictures of 64 x 64 px) as rows.

Only its questions for a colour or a shape: most of its yes and no can be told from the question alone, by whether there
is a "not" or a "no" in it.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHAPES = ("circle", "rectangle", "triangle")
STYLES: Mapping[str, Callable[["Asked"], str]] = {
    "word": lambda asked: asked.answer,
    "strong": lambda asked: f"{asked.colour} {asked.shape}. answer: {asked.answer}",
    "weak": lambda asked: f"i see a {asked.shape}, it is {asked.colour}. answer: {asked.answer}",
}
"""How the data answers, and how each teacher does."""
NUM_QUESTIONS = 384
"""That an arm trains on; each seed has its own pictures."""
NUM_VALIDATION = 200
NUM_TEST = 600
FIRST_OF_ARMS = 2400
"""Pictures from here on are for arms and validation; models were trained on those before."""


@dataclass(frozen=True)
class Asked:
    """One question about one picture."""

    id: str
    picture: int
    question: str
    answer: str
    colour: str
    shape: str

    @property
    def kind(self) -> str:
        """What is asked for."""
        return "shape" if self.answer in SHAPES else "colour"

    def row(self, response: str) -> dict[str, str]:
        """As rilctl reads it."""
        image = f"images/{self.id.partition('-')[0]}-{self.picture}.png"
        return {
            "id": self.id,
            "image": image,
            "question": self.question,
            "answer": self.answer,
            "kind": self.kind,
            "response": response,
        }


def read(split: str) -> list[Asked]:
    """The questions of a split, `train` or `test`, whose picture is known in colour and shape from its questions."""
    import easy_vqa

    found: Any = getattr(easy_vqa, f"get_{split}_questions")()
    asked = [(q, a, p, place) for place, (q, a, p) in enumerate(zip(*found, strict=True)) if a not in ("yes", "no")]
    shapes = {picture: answer for _, answer, picture, _ in asked if answer in SHAPES}
    colours = {picture: answer for _, answer, picture, _ in asked if answer not in SHAPES}
    return [
        Asked(f"{split}-{place}", picture, question, answer, colours[picture], shapes[picture])
        for question, answer, picture, place in asked
        if picture in shapes and picture in colours
    ]


def write_rows(folder: Path, seeds: Iterable[int]) -> None:
    """Pictures; `see.jsonl` to learn seeing from; `SEED.jsonl` for each seed; `validation.jsonl`; `test.jsonl`."""
    import easy_vqa

    (folder / "images").mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        paths: Mapping[int, str] = getattr(easy_vqa, f"get_{split}_image_paths")()
        for number, path in paths.items():
            shutil.copyfile(path, folder / "images" / f"{split}-{number}.png")
    train, test = read("train"), read("test")
    for arms, name in ((train, "train"), (test, "test")):
        random.Random(name).shuffle(arms)
    see = [asked for asked in train if asked.picture < FIRST_OF_ARMS]
    rest = [asked for asked in train if asked.picture >= FIRST_OF_ARMS]
    for style, say in STYLES.items():
        _write(folder / f"see-{style}.jsonl", (asked.row(say(asked)) for asked in see))
    says = STYLES["strong"], STYLES["weak"]
    _write(folder / "see.jsonl", (asked.row(says[place % 2](asked)) for place, asked in enumerate(see)))
    _write(folder / "validation.jsonl", (asked.row(asked.answer) for asked in rest[:NUM_VALIDATION]))
    held_out = {asked.picture for asked in rest[:NUM_VALIDATION]}
    left = [asked for asked in rest if asked.picture not in held_out]
    for place, seed in enumerate(seeds):
        own = left[place * NUM_QUESTIONS : (place + 1) * NUM_QUESTIONS]
        _write(folder / f"{seed}.jsonl", (asked.row(asked.answer) for asked in own))
    _write(folder / "test.jsonl", (asked.row(asked.answer) for asked in test[:NUM_TEST]))


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
