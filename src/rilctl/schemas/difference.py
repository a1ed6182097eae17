"""What `rilctl diff --json` says of two runs or artifacts, `a` and `b`; a difference is b minus a."""

from typing import Literal

from pydantic import JsonValue

from rilctl.schemas.base import StrictModel
from rilctl.schemas.report_result import Flip

Effect = Literal["semantic", "execution", "elsewhere"]
Basis = Literal["evaluation", "rollouts", "verdicts"]


class ComparedSide(StrictModel):
    """One of the two."""

    name: str
    """Tells it from the other."""
    path: str
    """Where it is."""
    verb: str
    """The verb that writes there; empty where nothing says so."""
    state: Literal["finished", "running", "stopped", "unreadable"]
    """What has become of it."""
    versions: dict[str, str]
    """rilctl, Python and libraries that made it; empty before its first artifact."""
    hardware: dict[str, str]
    """What it was made on; empty where it doesn't say."""


class KeyDifference(StrictModel):
    """A recipe key with another value."""

    key: str
    """With its tables: `train.optim.lr`."""
    a: JsonValue
    """Null also where it has none."""
    b: JsonValue
    """The same of the second."""
    effect: Effect
    """`semantic`: it decides what the artifacts mean; `execution`: only how they are made; `elsewhere`: of a table that
    the verb doesn't read, or reads through its inputs."""


class InputDifference(StrictModel):
    """What both are made from, by role."""

    role: str
    """`student`, `teacher-cache`, `data`, …"""
    a: list[str]
    """Names with the first digits of their digests; empty where it has none."""
    b: list[str]
    """The same of the second."""
    same: bool
    """Whether the digests agree; names needn't."""


class MetricDifference(StrictModel):
    """A metric that both have."""

    metric: str
    """Its name."""
    step: int | None
    """The last step at which both have it; absent where the verb has no steps."""
    a: float
    """There."""
    b: float
    """There."""
    difference: float
    """b minus a."""
    mean_difference: float | None
    """Over all steps that both have; absent without steps."""
    first_step: int | None
    """The first at which they differ; absent where they never do, and without steps."""
    points: list[tuple[int, float, float]]
    """(step, a, b) of all these steps."""


class AnswerDifference(StrictModel):
    """Answers of both to the same questions."""

    basis: Basis
    """Answers to a benchmark; rollouts of the last step in which both asked a question; two judges of one response."""
    group: str
    """The benchmark; empty where there are none."""
    num_questions: int
    """That both answered, and where both have a verdict."""
    accuracy_a: float
    """Share that is right."""
    accuracy_b: float
    """The same of the second."""
    difference: float
    """b minus a, paired."""
    low: float
    """Lower end of its 95 % interval (Agresti and Min), which only flipped answers widen."""
    high: float
    """Upper end."""
    num_gained: int
    """Wrong in a, right in b."""
    num_lost: int
    """Right in a, wrong in b."""
    flips: list[Flip]
    """Those that flipped, lost ones first."""


class SpeedDifference(StrictModel):
    """Seconds that a phase takes in a step, the mean over the steps that both have."""

    phase: str
    """As in `timings.jsonl`; `step`: all of them together."""
    a_s: float
    """Seconds."""
    b_s: float
    """Seconds."""


class ContentDifference(StrictModel):
    """An artifact that one of them has, or both."""

    role: str
    """`student`, `rollouts`, …; `student / best-student` where two were named."""
    a: str | None
    """Its content digest; absent where there is none."""
    b: str | None
    """The same of the second."""
    same: bool
    """Whether the contents are equal to the bit."""


class Difference(StrictModel):
    """Two runs or artifacts beside one another."""

    a: ComparedSide
    """The first."""
    b: ComparedSide
    """The second."""
    same: bool
    """Whether both have artifacts, and all contents are equal."""
    recipe: list[KeyDifference]
    """Keys that differ, semantic ones first."""
    inputs: list[InputDifference]
    """All roles of either."""
    metrics: list[MetricDifference]
    """In the order of the list of metrics."""
    answers: list[AnswerDifference]
    """By benchmark."""
    speed: list[SpeedDifference]
    """All together first, then the longest."""
    contents: list[ContentDifference]
    """By role."""
    problems: list[str]
    """What can't be read, and is missing here."""
