"""What verbs need until their first step is done, with so many cached responses: `startup.py` has the measures.

In the folder of `train_start.py`, and kept there as well: 16 responses of the student to each question, and a verdict
on each teacher's response, of which every third is wrong. Then, in a process of its own, a verb runs until it has
taken a step, which is short: eight rows and a small model. `train` goes on from a checkpoint, until it would take a
step: that itself takes long here, as a processor samples in it.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from opened import peak_bytes
from train_start import FEW_QUESTIONS, PER_QUESTION, write_workspace

from rilctl import api
from rilctl.artifacts.read import read_rows
from rilctl.artifacts.runs import open_run
from rilctl.config.recipe import Verb
from rilctl.errors import InterruptedByUser
from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import ArtifactKind
from rilctl.schemas.records import ResponseRecord, VerdictRecord, response_digest
from rilctl.testing.stages import StopsAfter


class Start(NamedTuple):
    """What is started."""

    verb: Verb
    overrides: tuple[str, ...]
    resumes: bool = False
    """Whether it has taken a step before, and is measured until it goes on; else until its first step is done."""


STARTS = {
    "pretrain_disc_start": Start(
        "pretrain-disc",
        ("pretrain-disc.teacher_cache=cache", "pretrain-disc.responses=own", "pretrain-disc.rows_per_step=8"),
    ),
    "sft_of_teachers_start": Start(
        "sft",
        (
            "sft.responses=teacher-cache",
            "sft.teacher_cache=cache",
            "sft.keep=right",
            "sft.verdicts=said",
            "sft.rows_per_step=8",
        ),
    ),
    "train_resume": Start(
        "train", ("train.questions_per_step=2", "train.num_student_rows=2", "train.num_steps=3"), resumes=True
    ),
}
"""By the beginnings of the names that are printed."""


class FirstStep(StopsAfter):
    """Notes when a run goes on or its first step is done, and how much memory it took; asks for a clean end then."""

    def __init__(self) -> None:
        super().__init__(1)
        self.found: dict[str, float] = {}

    def begin(self, task: str, *, total: int, unit: str, done: int = 0) -> None:
        """See `Reporter`."""
        if done:
            self._note()
            raise InterruptedByUser(signal.SIGINT, "")

    def advance(self, num: int = 1, *, metrics: Mapping[str, float] | None = None) -> None:
        """See `Reporter`."""
        super().advance(num, metrics=metrics)
        if num:
            self._note()

    def _note(self) -> None:
        self.found = self.found or {"at_s": time.perf_counter(), "peak_bytes": peak_bytes()}


def first_steps(folder: Path, num_rows: int) -> dict[str, float]:
    """Seconds to the first step of each verb, and gigabytes beyond what it takes with a tiny cache."""
    measures = dict[str, float]()
    for name, start in STARTS.items():
        few, many = (
            _last_start(_with_more(folder, num), name, start) for num in (FEW_QUESTIONS, num_rows // PER_QUESTION)
        )
        measures |= {f"{name}_s": many["s"], f"{name}_gb": (many["peak_bytes"] - few["peak_bytes"]) / 1e9}
    return measures


def _last_start(workspace: Path, name: str, start: Start) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=workspace) as out:
        for _ in range(1 + start.resumes):
            command = [sys.executable, __file__, str(workspace), name, out]
            found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _with_more(folder: Path, num_questions: int) -> Path:
    """The workspace of `train_start.py` with the student's responses and verdicts; what is whole stays as it is."""
    workspace = write_workspace(folder / f"{num_questions}-questions", num_questions)
    chance = random.Random(1)

    def own() -> Iterator[ResponseRecord]:
        for row in read_rows(workspace / "cache", ResponseRecord):
            if row.source == "qwen":
                words = row.text.split(" ")
                chance.shuffle(words)
                text = " ".join(words)
                yield row.model_copy(update={"source": "student", "side": "student", "text": text, "token_ids": None})

    def said() -> Iterator[VerdictRecord]:
        for at, row in enumerate(read_rows(workspace / "cache", ResponseRecord)):
            yield VerdictRecord(
                response_digest=response_digest(row.question, row.answer, row.text),
                sample_id=row.sample_id,
                source=row.source,
                response_index=row.response_index,
                correct=at % 3 > 0,
                reason="-",
            )

    _write(workspace / "own", "pretrain-disc", "responses", own())
    _write(workspace / "said", "judge", "verdicts", said())
    return workspace


def _write(path: Path, verb: Verb, kind: ArtifactKind, rows: Iterator[StrictModel]) -> None:
    if (path / "manifest.json").is_file():
        return
    with open_run(path, verb=verb, config={}, semantic={}, inputs=[], roles={kind: kind}) as run:
        writer = run.writer(kind)
        writer.write_rows(rows)
        writer.commit()


def main() -> None:
    """Start a verb in a folder until it has taken a step; print how long it took and the most memory."""
    folder, start, out = Path(sys.argv[1]), STARTS[sys.argv[2]], Path(sys.argv[3])
    reporter = FirstStep()
    started = time.perf_counter()
    recipe = api.load_recipe(folder / "recipe.toml", overrides=start.overrides, base_dir=folder)
    try:
        api.run_stage(recipe, start.verb, out=out / "out", reporter=reporter, stop=reporter.stop)
    except InterruptedByUser:
        found = reporter.found
    print(json.dumps({"s": found["at_s"] - started, "peak_bytes": found["peak_bytes"]}))


if __name__ == "__main__":
    main()
