"""Makes all that `worlds/easy-vqa.toml` names: rows, pictures, two teachers and a student, some minutes of a core."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from experiments.easy_vqa.models import write_model
from experiments.easy_vqa.rows import read, write_rows
from rilctl import api

CHECKPOINTS = ("base", "strong", "weak", "student")
"""In the order in which they are trained, each by the recipe of its name beside this file."""
FOLDER = "easy-vqa"
"""Below the folder of artifacts, where the recipes look."""


def prepare(work: Path, seeds: Sequence[int], stop: api.StopFlag) -> str:
    """Make what isn't there yet.

    Args:
        work: folder of artifacts.
        seeds: that need rows.
        stop: asks for a clean end.

    Returns:
        A digest of the models' weights: on other hardware they round to others, and runs can't be mixed.

    Raises:
        RilctlError: a model's training failed, or was asked to stop.
    """
    folder = work / FOLDER
    if not (folder / "test.jsonl").exists():
        write_rows(folder, seeds)
    write_model(folder / "shape", read("train"))
    digests = []
    for name in CHECKPOINTS:
        recipe = api.load_recipe(Path(__file__).with_name(f"{name}.toml"), base_dir=work)
        result = api.run_stage(recipe, "sft", out=Path(FOLDER, "models", name), stop=stop)
        digests.append(result.outputs["student"].content_digest)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:12]
