"""Results on disk: a small JSON file for each place, a line for each run."""

import json
from collections.abc import Sequence
from pathlib import Path

from rilctl.artifacts.layout import write_atomic
from rilctl.schemas.base import StrictModel

RESULTS = Path(__file__).resolve().parent / "results"


class Run(StrictModel):
    """One student: an arm, a seed, a learning rate."""

    arm: str
    """Name of the overlay."""
    seed: int
    """`TUNING_SEED` for a trial."""
    rate: float | None = None
    """Learning rate at the start of the last verb; None: nothing is learned."""
    validation: float | None = None
    """Accuracy on the validation questions after the last step, 0 to 1."""
    right: str | None = None
    """Which test questions were answered right, a bit each in the order of their ids, as hexadecimal digits; None: not
    asked, since this is a trial."""
    num_questions: int = 0
    """Test questions."""
    num_tokens: int
    """Response tokens that the student learned from."""
    cpu_s: float
    """Processor time of all the arm's verbs, evaluation aside."""
    metrics: dict[str, float] = {}
    """Of the discriminator, where there is one: `metrics.py` says which."""
    recipe: str
    """Digest of what the recipe says."""
    commit: str
    """Of the repository; ends in `+` where files were changed since."""
    versions: dict[str, str]
    """Of what computes, and of the rules that judge, which earlier runs don't say: see `rules.py`."""

    @property
    def correct(self) -> list[bool]:
        """Which test questions were answered right."""
        return unpack(self.right or "", self.num_questions)


class Results(StrictModel):
    """All runs of a place."""

    place: str
    """The world, the regime, and what is compared there."""
    questions: str = ""
    """Digest of the test questions' ids in the order of the bits."""
    runs: tuple[Run, ...] = ()

    def find(self, arm: str, seed: int, rate: float | None) -> Run | None:
        """The run, if there is one."""
        same = (run for run in self.runs if (run.arm, run.seed, run.rate) == (arm, seed, rate))
        return next(same, None)

    def with_run(self, new: Run) -> "Results":
        """These results and one more run, which takes the place of an earlier one of the same arm, seed and rate."""
        key = (new.arm, new.seed, new.rate)
        kept = tuple(run for run in self.runs if (run.arm, run.seed, run.rate) != key)
        return self.model_copy(update={"runs": (*kept, new)})

    def with_questions(self, digest: str) -> "Results":
        """These results; `digest` is of the test questions that were just asked, or empty.

        Raises:
            ValueError: earlier runs were asked others, so that bits can't be compared.
        """
        if digest and self.questions not in ("", digest):
            raise ValueError(f"{self.place}: earlier runs were asked other test questions")
        return self.model_copy(update={"questions": digest or self.questions})


def pack(correct: Sequence[bool]) -> str:
    """A bit for each question, the first one highest, four to a digit."""
    bits = "".join("01"[value] for value in correct)
    padded = bits.ljust(-(-len(bits) // 4) * 4, "0")
    return "".join(f"{int(padded[at : at + 4], 2):x}" for at in range(0, len(padded), 4))


def unpack(digits: str, num_questions: int) -> list[bool]:
    """The contrary of `pack`. Raises `ValueError` where there are more or fewer bits."""
    if len(digits) != -(-num_questions // 4):
        raise ValueError(f"{len(digits)} digits for {num_questions} questions")
    return [bit == "1" for digit in digits for bit in f"{int(digit, 16):04b}"][:num_questions]


def read(place: str, folder: Path = RESULTS) -> Results:
    """What is known so far; empty where there is no file."""
    path = folder / f"{place}.json"
    return Results.model_validate_json(path.read_bytes()) if path.exists() else Results(place=place)


def write(results: Results, folder: Path = RESULTS) -> None:
    """Replace the file; whoever is killed meanwhile leaves the old one."""
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"place": results.place, "questions": results.questions})
    runs = ",\n".join("  " + json.dumps(run.model_dump(exclude_defaults=True)) for run in results.runs)
    text = f'{head[:-1]}, "runs": [\n{runs}\n]}}\n'
    write_atomic(folder / f"{results.place}.json", text.encode())
