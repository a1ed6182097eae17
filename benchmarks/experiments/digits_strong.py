"""Makes the teacher that `worlds/digits-strong.toml` names, a minute of a core."""

from collections.abc import Sequence
from pathlib import Path

from rilctl import api

TEACHER = Path(__file__).resolve().parent / "worlds" / "digits-strong-teacher.toml"


def prepare(work: Path, seeds: Sequence[int], stop: api.StopFlag) -> str:
    """Train the teacher unless it is there.

    Args:
        work: folder of artifacts.
        seeds: not read, questions are made as they are needed.
        stop: asks for a clean end.

    Returns:
        A digest of its weights.

    Raises:
        RilctlError: training failed, or was asked to stop.
    """
    recipe = api.load_recipe(TEACHER, base_dir=work)
    result = api.run_stage(recipe, "sft", out=Path("digits-strong", "strong"), stop=stop)
    return result.outputs["student"].content_digest[:12]
