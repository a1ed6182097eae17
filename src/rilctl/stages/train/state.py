"""What a checkpoint of `train` remembers besides weights and optimizers."""

from rilctl.schemas.base import StrictModel
from rilctl.schemas.manifest import FileEntry
from rilctl.schemas.records import RejectedRecord
from rilctl.stages.train.course import Course


class TrainState(StrictModel):
    """What a checkpoint remembers besides weights and optimizers."""

    best_step: int | None = None
    """The step of the best validation so far, by `train.keep.best`."""
    best_value: float | None = None
    """What that was."""
    best_files: list[FileEntry] = []
    """The student's of that step; rank 0 knows them."""
    kept_files: dict[int, list[FileEntry]] = {}
    """Those of the students that are kept for good, by step; rank 0 knows them."""
    course: Course = Course()
    """Whether it learns anything, and the student gets better."""
    num_tokens: int = 0
    """Response tokens that the policy has learned from."""
    learned: str = ""
    """Digest of the rewards that it has learned from, see `sampled.rewards_digest`."""
    rejected: list[RejectedRecord] = []
    """Questions that could not be asked."""
    metrics: dict[str, float] = {}
    """The newest value of each metric."""
    judge_counts: dict[str, float] = {}
    """What the judge has counted: tokens, prices, verdicts by rules."""
