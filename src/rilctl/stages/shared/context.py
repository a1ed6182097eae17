"""What every stage is given, and what every stage gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rilctl.artifacts.locks import Waiting
from rilctl.config.recipe import Recipe, Verb
from rilctl.data.once.kept import Kept
from rilctl.engines.training.world import World
from rilctl.errors import InterruptedByUser
from rilctl.reporting.progress import Reporter
from rilctl.schemas.manifest import ArtifactSummary


@dataclass
class StopFlag:
    """Set by a signal handler; a stage looks at it between two units of work."""

    signal_number: int | None = None


@dataclass(frozen=True)
class StageContext:
    """A stage's surroundings.

    Args:
        recipe: the resolved recipe.
        recipe_name: names the recipe's folder under the workspace root.
        base_dir: folder that relative paths in the recipe start from (the current directory).
        out: the output directory.
        reporter: who is told what happens.
        resume_command: the shell command that goes on after an interruption.
        stop: set when a signal asks for a clean end.
        world: which of how many processes this one is.
        retry_rejected: whether a finished run asks again for what it lacks.
        to_score: of a plan alone: is told how many answers the run's selection will have scored, by model.
        planned: what the plans of one walk have in common, by what it was made from.
        leave: says why, and ends this process at once, where another one of them failed and the main thread waits.
    """

    recipe: Recipe
    recipe_name: str
    base_dir: Path
    out: Path
    reporter: Reporter
    resume_command: str
    stop: StopFlag = field(default_factory=StopFlag)
    world: World = field(default_factory=World)
    retry_rejected: bool = False
    planned: dict[str, Any] = field(default_factory=dict)
    leave: Callable[[Exception], object] | None = None
    to_score: dict[str, int] | None = None

    @property
    def root(self) -> Path:
        """The workspace root: holds every recipe's folder and the call cache."""
        return self.base_dir / self.recipe.workspace.root

    @cached_property
    def kept(self) -> Kept:
        """What the workspace keeps of data sets."""
        reporter = self.reporter
        return Kept(self.root / ".cache" / "data", say=reporter.say, warn=reporter.warn, check_stop=self.check_stop)

    @property
    def waiting(self) -> Waiting:
        """How to wait for another writer of the output directory."""
        return Waiting(self.reporter.say, self.check_stop)

    def upstream(self, verb: Verb) -> Path:
        """Where the same recipe's `verb` puts its output."""
        return self.root / self.recipe_name / verb

    def check_stop(self) -> None:
        """Raise `InterruptedByUser` if a signal came; call it where everything done so far is on disk."""
        if self.stop.signal_number is not None:
            raise InterruptedByUser(self.stop.signal_number, self.resume_command)


@dataclass(frozen=True)
class StageResult:
    """What a stage made.

    Args:
        outputs: by role; the first is the one whose path goes to stdout.
        num_rejected: rows that could not be used; more than none makes the exit code 3.
        is_lacking: whether so much is missing otherwise that the next verb refuses it, which makes it 3 as well.
        up_to_date: nothing had to be done.
        summary: what a person reads at the end, name -> value.
        files: what was written beside artifacts, or instead of them.
        figures: numbers that a person has read in a table, for programs.
    """

    outputs: dict[str, ArtifactSummary]
    num_rejected: int = 0
    is_lacking: bool = False
    up_to_date: bool = False
    summary: dict[str, float | str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
