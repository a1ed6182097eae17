"""The student that a recipe has trained, where a verb or a person wants "the student" and names none."""

from pathlib import Path
from typing import Final, Literal

from rilctl.artifacts.layout import MANIFEST, RUN
from rilctl.artifacts.read import read_manifest, resolve
from rilctl.artifacts.roles import missing_roles
from rilctl.stages.shared.context import StageContext

TrainingVerb = Literal["train", "sft"]
BEST: Final = "best-student"
"""The role of the student that `train` keeps of its best validation."""


def last_student(context: StageContext) -> Path | None:
    """The best student of the recipe's last training, which is said; None where nothing was trained.

    Raises:
        ArtifactError: the training isn't finished, or what it made is damaged.
    """
    verb = last_trained(context)
    if verb is None:
        return None
    path = resolve(kept_by(context, verb), "student")
    context.reporter.say(_which(path))
    return path


def last_trained(context: StageContext) -> TrainingVerb | None:
    """The last verb of this recipe that has trained a student, or has begun to."""
    verbs: tuple[TrainingVerb, ...] = ("train", "sft")
    return next((verb for verb in verbs if (context.upstream(verb) / RUN).exists()), None)


def kept_by(context: StageContext, verb: TrainingVerb) -> Path:
    """The student of the best validation where the run kept one, else the run, which has the last."""
    run = context.upstream(verb)
    best = run / BEST
    return best if (best / MANIFEST).exists() or BEST in missing_roles(run) else run


def _which(path: Path) -> str:
    """Which of a training's students this is, and what else there is."""
    metrics = read_manifest(path).metrics
    step, accuracy = metrics.get("step"), metrics.get("validation/accuracy")
    if path.name != BEST:
        return f"the last student of its training: {path}"
    how = "" if step is None or accuracy is None else f" (validation {accuracy:.1%} at step {step:.0f})"
    return f"the student of the best validation{how}: {path}; the last one is {path.with_name('student')}"
