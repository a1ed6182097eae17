"""Instruction data of the paper's size, made once and kept, and what a command takes that reads it."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from pictures import photographs

from rilctl.quickstart.shapes import write_shape

NUM_ROWS, NUM_PHOTOGRAPHS = 4_000_000, 1_000
_RECIPE = """
data = { type = "llava", path = "instructions.json", validation = { share = 0.001, group = "conversation" } }
student = { model = "student" }
sft = { rows_per_step = 64, max_response_tokens = 1024 }
"""


@dataclass(frozen=True)
class Taken:
    """What a process took.

    Args:
        seconds: from its start to its end.
        gb: its memory at its peak, in 1e9 bytes.
        text: what it wrote to stdout.
    """

    seconds: float
    gb: float
    text: str


def write_instructions(work: Path, num_rows: int = NUM_ROWS) -> Path:
    """A folder with a recipe, a student of the pocket shape, and a LLaVA list of so many conversations.

    Each asks about one of 1,000 photographs of 1,024 x 768 px, in 5 to 25 words, and is answered in 5 to 120.
    What is there already stays as it is.
    """
    folder = work / f"instructions-{num_rows}"
    if (folder / "recipe.toml").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    write_shape("pocket-student", folder / "student")
    pictures = work / "photographs"
    if not pictures.is_dir():
        pictures.mkdir()
        for number, ref in enumerate(photographs(NUM_PHOTOGRAPHS)):
            assert isinstance(ref.origin, bytes)
            (pictures / f"{number}.jpg").write_bytes(ref.origin)
    if not (folder / "photographs").is_dir():
        os.symlink(pictures.resolve(), folder / "photographs")
    chance = random.Random(0)
    words = [
        "is",
        "the",
        "a",
        "red",
        "left",
        "of",
        "how",
        "many",
        "cat",
        "tree",
        "see",
        "why",
        "there",
        "dog",
        "under",
        "near",
    ]
    with (folder / "instructions.json").open("w") as file:
        for number in range(num_rows):
            asked, said = (" ".join(chance.choices(words, k=chance.randint(5, most))) for most in (25, 120))
            turns = [{"from": "human", "value": f"<image>\n{asked}?"}, {"from": "gpt", "value": said}]
            row = {"id": f"q{number}", "image": f"photographs/{number % NUM_PHOTOGRAPHS}.jpg", "conversations": turns}
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(row))
        file.write("\n]\n")
    (folder / "recipe.toml").write_text(_RECIPE)
    return folder


def taken_by(arguments: Sequence[str], folder: Path) -> Taken:
    """Run `rilctl` with these arguments in a folder. Ends this program where it fails."""
    command, said = [sys.executable, "-m", "rilctl", *arguments], folder / "said.txt"
    started = time.perf_counter()
    with said.open("w") as errors, (folder / "result.txt").open("w") as result:
        process = subprocess.Popen(command, cwd=folder, stdout=result, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {code}: {said.read_text()[-2000:]}")
    return Taken(seconds, used.ru_maxrss * 1024 / 1e9, (folder / "result.txt").read_text())


def sft_plan(work: Path, num_rows: int, which: str) -> dict[str, float]:
    """What `rilctl sft --dry-run` of so many rows takes, by the name of this plan; the first is without an index."""
    if which == "first_plan":
        rmtree(write_instructions(work, num_rows) / "runs", ignore_errors=True)
    taken = taken_by(["sft", "recipe.toml", "--dry-run", "--json"], write_instructions(work, num_rows))
    planned = json.loads(taken.text)["plan"]["work"]["rows"]
    if not 0.99 * num_rows < planned <= num_rows:
        raise SystemExit(f"{num_rows:,} rows were planned as {planned:,}")
    return {f"sft_{which}_s": round(taken.seconds, 1), f"sft_{which}_gb": round(taken.gb, 2)}
