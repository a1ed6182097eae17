"""What a report says of results: accuracies, answers that flipped, benchmarks, sizes, pictures.

Shares are from 0 to 1; points, of benchmarks, from 0 to 100.
"""

from typing import Literal

from rilctl.schemas.base import StrictModel


class Score(StrictModel):
    """A measured mean and its 95 % interval."""

    value: float
    """The mean, in the unit of what holds it."""
    low: float | None = None
    """Lower end of the interval; absent where there is none."""
    high: float | None = None
    """Upper end."""
    num_questions: int | None = None
    """Questions with a score; absent where it isn't known."""


class Accuracy(StrictModel):
    """Held-out questions answered right, before a run and after it; shares."""

    run: str
    """The run's name."""
    source: Literal["validation", "evaluation"]
    """Measured inside the run, or by `rilctl eval` of the student before and of the one that the run made."""
    before: Score | None
    """Of the student that the run began with; absent where it wasn't measured."""
    after: Score | None
    """Of the last student."""
    after_step: int | None = None
    """The step of `after`; absent for an evaluation."""
    best: Score | None = None
    """The highest of all validations; absent for an evaluation."""
    best_step: int | None = None
    """Its step."""


class FlippedAnswer(StrictModel):
    """One answer of a pair."""

    text: str
    """The response."""
    is_right: bool
    """Whether it counts as right: a score of a half or more."""
    verdict: str
    """How that was found, for a person: `score 1`, `judged right`."""
    step: int | None = None
    """Of the rollout; absent for an evaluation."""


class Flip(StrictModel):
    """A question that was answered right by one side only."""

    benchmark: str
    """Of which benchmark; empty for training questions."""
    sample_id: str
    """The question's id."""
    question: str
    """As it was asked."""
    truth: str
    """The ground truth."""
    image_digests: list[str]
    """Of its pictures, as in `Report.pictures`; empty where the artifact doesn't say."""
    before: FlippedAnswer
    """What was answered before."""
    after: FlippedAnswer
    """What was answered after."""
    way: Literal["gained", "lost"]
    """`gained`: wrong before, right after; `lost`: right before, wrong after."""


class Flips(StrictModel):
    """Two answers to each of the same questions, and where they differ in being right."""

    before: str
    """Who answered before: a run, an arm, a step."""
    after: str
    """Who answered after."""
    run: str
    """The run that lies between them; the name of the comparison where arms are compared."""
    basis: Literal["evaluation", "rollouts"]
    """Answers to benchmarks; or, where nothing was evaluated twice, the run's own rollouts of questions that it came
    back to: those are sampled, and were learned from in between."""
    num_questions: int
    """That both answered."""
    num_gained: int
    """Wrong before, right after."""
    num_lost: int
    """Right before, wrong after."""
    p: float | None
    """Of no difference (exact sign test on the flipped questions); absent where none flipped."""
    shown: list[Flip]
    """Some of them, those that were lost first; all where there are few."""
    sampling: str
    """Which are shown, in a sentence."""


class Bar(StrictModel):
    """One bar of a benchmark."""

    name: str
    """Whose score: a run or arm, or the reference."""
    kind: Literal["run", "reference"]
    """Measured here, or by others."""
    score: Score
    """In points of 0 to 100."""


class Benchmark(StrictModel):
    """One group of bars (Figure 1 of the paper)."""

    name: str
    """The benchmark; `mean` for the mean over the suite."""
    bars: list[Bar]
    """Runs first, then references."""


class SizedScore(StrictModel):
    """One point of size against score (Figures 2 and 4 of the paper)."""

    name: str
    """Which model."""
    kind: Literal["run", "reference"]
    """Measured here, or by others."""
    num_parameters: int
    """Of the whole model."""
    score: Score
    """Mean over the suite, points of 0 to 100."""
    suite: str
    """What it is a mean over: two points are comparable where this is equal."""


class PictureUse(StrictModel):
    """Accuracy beside the right picture and beside another one: how much the model looks. In points of 0 to 100."""

    name: str
    """A run at its last validation, or an evaluation."""
    benchmark: str
    """Empty for a validation."""
    own: Score
    """Beside the question's own picture."""
    swapped: Score | None
    """Beside another question's; absent where it wasn't asked."""
    none: Score | None
    """Without one; absent where it wasn't asked."""
    swapped_gap: Score | None
    """`own` minus `swapped`, paired."""
    none_gap: Score | None
    """`own` minus `none`, paired."""
